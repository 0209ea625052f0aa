# shellcheck shell=bash
# scaling.sh - how many workers a pool has: fixed, in a range, on demand, by `scale`; and why.

# The numbers of workers that the master decided on, in their order: "2 -> 4 4 -> 6".
decisions() { # POOL
	sed -n "s/.*pool $1: \([0-9]* -> [0-9]*\) workers: .*/\1/p" "$LOG"
}

# ... and the largest step up (or down, as a negative number) among them.
largest_step() { # POOL up|down
	decisions "$1" | awk -v way="$2" '
		{by = $3 - $1; if (way == "down" ? by < most : by > most) most = by}
		END {print most + 0}'
}

# Shortest time between two decisions that took workers away.
shortest_pause_ms() { # POOL
	sed -n "s/^\([^ ]*\) .*pool $1: \([0-9]*\) -> \([0-9]*\) workers: .*/\1 \2 \3/p" "$LOG" | awk '
		$2 > $3 {
			split($1, part, /[T:Z]/)
			now = (part[2] * 3600 + part[3] * 60 + part[4]) * 1000
			if (before && (!least || now - before < least)) least = now - before
			before = now
		}
		END {printf "%d\n", least}'
}

has_workers() { # POOL NUMBER
	[[ $(cell "$1" WORKERS) == "$2/$2" && $(worker_pids "$1" | wc -l) == "$2" ]]
}

is_over() { # JOB
	[[ $(job_state "$1") =~ ^(done|failed|cancelled|buried)$ ]]
}

test_fixed() { # sanitized
	local pids
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		workers = 3
	EOF
	start_master
	wait_until 10 has_workers sleep 3
	expect 0 ym submit sleep - --lines < <(printf '300\n%.0s' {1..6})
	wait_until 10 is 3 jobs_in_state running
	pids=$(worker_pids sleep)
	slay "${pids%%$'\n'*}"
	wait_until 10 is 6 jobs_in_state "done"
	wait_until 10 has_workers sleep 3
	assert_equal "" "$(decisions sleep)" "decisions about a fixed number"
	assert_lacks scales "$(ym status)" "status of a fixed pool"
}

# A window of idle workers, a step at a time; back with a pause between two steps.
test_spare_window() { # sanitized
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		workers = 2..9
		min_spare = 2
		max_spare = 3
		scale_step = 2
		scale_cooldown = 300ms
		idle_timeout = 100ms
	EOF
	start_master
	wait_until 10 has_workers sleep 2
	assert_contains "scales 2..9" "$(ym status)" "status"
	submit sleep 60000
	wait_until 10 has_workers sleep 3
	assert_logged "pool sleep: 2 -> 3 workers: only 1 idle, min_spare is 2"
	expect 0 ym submit sleep - --lines < <(printf '60000\n%.0s' {1..12})
	wait_until 10 has_workers sleep 9
	wait_until 10 is 9 jobs_in_state running
	assert_logged "jobs waiting and no worker free"
	assert_equal 2 "$(largest_step sleep up)" "largest step up"
	expect 0 ym cancel --pool sleep
	wait_until 20 has_workers sleep 3
	assert_logged "idle, max_spare is 3"
	assert_equal -2 "$(largest_step sleep down)" "largest step down"
	(($(shortest_pause_ms sleep) >= 300)) || fail "$(shortest_pause_ms sleep) ms from one step down to the next"
	assert_equal 3 "$(ym status --json | sed 's/.*"workers": \([0-9]*\), .*/\1/')" "workers in JSON"
}

test_start_of_a_range() {
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 1..9
		workers_start = 5
		min_spare = 1
		max_spare = 9
	EOF
	start_master
	wait_until 10 has_workers echo 5
	assert_equal "" "$(decisions echo)" "decisions"
}

on_demand() { # MOST [LINES FOR THE POOL...]
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		workers = 0..$1
		idle_timeout = 200ms
		scale_cooldown = 0
		$(printf '%s\n' "${@:2}")
	EOF
	start_master
}

test_on_demand() { # sanitized
	on_demand 4
	has_workers sleep 0 || fail "workers without a job: $(worker_pids sleep)"
	expect 0 ym submit sleep 1 --wait
	assert_logged "pool sleep: 0 -> 1 workers: 1 job waiting and no worker free"
	wait_until 10 has_workers sleep 0
	assert_logged "pool sleep: 1 -> 0 workers: 1 idle for 0.2s"
	expect 0 ym submit sleep - --lines --keep < <(printf '300\n%.0s' {1..9})
	wait_until 10 has_workers sleep 4
	wait_until 10 is 9 jobs_in_state "done"
	wait_until 10 has_workers sleep 0
	expect 0 ym submit sleep 1 --wait
}

test_on_demand_for_a_delayed_job() { # sanitized
	local start
	on_demand 2
	start=$(now_ms)
	submit sleep 1 --delay 700ms
	expect 0 ym wait "$JOB"
	(($(now_ms) - start >= 700)) || fail "it ran $(($(now_ms) - start)) ms after it was submitted"
	assert_less 1500 $(($(now_ms) - start)) "ms until its end"
	assert_equal "0 -> 1" "$(decisions sleep)" "decisions"
	wait_until 10 has_workers sleep 0
	# A job that is tried again later: its worker has gone meanwhile.
	assert_equal 0 "$(jobs_in_state waiting)" "waiting jobs"
}

test_on_demand_for_a_second_attempt() {
	write_ini <<-EOF
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		workers = 0..2
		idle_timeout = 50ms
		scale_cooldown = 0
		backoff = 1s
		backoff_jitter = 0
	EOF
	start_master
	submit flaky 1 --keep
	wait_until 10 has_workers flaky 1
	wait_until 10 has_workers flaky 0
	assert_equal delayed "$(job_state "$JOB")" "the job between its attempts"
	expect 0 ym wait "$JOB"
	assert_equal 2 "$OUT" "its result"
}

# A worker more would not help a job that must not start now.
test_no_growth_for_jobs_that_cannot_start() {
	on_demand 8 "limits = one" "[limit:one]" "max = 1"
	expect 0 ym pause sleep
	submit sleep 300
	submit sleep 300
	submit sleep 300
	expect 0 ym status
	assert_contains paused "$OUT" "status"
	wait_until 10 is 3 jobs_in_state waiting
	has_workers sleep 0 || fail "workers for a paused pool"
	expect 0 ym resume sleep
	wait_until 20 is_over "$JOB"
	assert_less 4 "$(decisions sleep | awk '$3 > most {most = $3} END {print most}')" "most workers for one at a time"
}

test_scale_lasts() { # sanitized
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 2
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	wait_until 10 has_workers echo 2
	expect 0 ym scale echo 5
	wait_until 10 has_workers echo 5
	slay "$MASTER"
	start_master
	wait_until 10 has_workers echo 5
	expect 0 ym scale echo 3..6
	slay "$MASTER"
	start_master
	wait_until 10 eval 'ym status | grep -q "scales 3..6"'
	# Another option of the pool, and another pool: not its size.
	sed -i 's/^workers = 2/&\nattempts = 7/; $a workers = 2' "$INI"
	expect 0 ym reload
	wait_until 10 has_workers sleep 2
	assert_contains "scales 3..6" "$(ym status)" "after a reload of other options"
	sed -i 's/^workers = 2$/workers = 4/' "$INI"
	expect 0 ym reload
	wait_until 10 has_workers echo 4
	assert_lacks scales "$(ym status)" "after a reload of the size"
}

test_scale_to_nothing_and_back() { # sanitized
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 2
	EOF
	start_master
	expect 0 ym scale echo 0
	wait_until 10 has_workers echo 0
	submit echo x
	assert_equal waiting "$(job_state "$JOB")" "a job without a worker"
	expect 0 ym scale echo 0..2
	expect 0 ym wait "$JOB"
	expect 0 ym scale echo 1
	wait_until 10 has_workers echo 1
}

test_scale_has_limits() { # sanitized
	write_ini "workers_room = 4" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	expect 1 ym scale echo 1000
	assert_contains "this instance has room for" "$ERR" "scale beyond the room"
	wait_until 10 has_workers echo 1
}

test_reload_beyond_the_room() { # sanitized
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 500
	EOF
	expect 2 ym reload
	assert_contains "500 workers: this instance has room for" "$ERR" "reload beyond the room"
	wait_until 10 has_workers echo 1
}

# ---- many ------------------------------------------------------------------------------------------------------------

# Every job of the ledger has run once, to its end: nothing was lost, nothing was done twice.
check_ledger() { # JOBS
	assert_equal "$1" "$(grep -c '^done' "$DIR/ledger")" "ends of jobs"
	assert_equal "$1" "$(awk '/^done/ {print $2}' "$DIR/ledger" | sort -u | wc -l)" "jobs that have ended"
	assert_equal "$1" "$(grep -c '^[0-9]' "$DIR/ledger")" "starts of jobs"
	assert_equal 0 "$(awk '/^[0-9]/ && $2 != 1' "$DIR/ledger" | wc -l)" "further attempts"
}

done_lines() {
	grep -c '^done' "$DIR/ledger"
}

test_two_hundred_workers() {
	local jobs=20000
	write_ini "jobs = 32768" "workers_room = 500" <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		workers = 200
		stopwaitsecs = 60s
	EOF
	start_master
	wait_until 30 has_workers ledger 200
	seq -f '%.0f 100' "$jobs" >"$DIR/payloads"
	expect 0 ym submit ledger - --lines <"$DIR/payloads"
	wait_until 30 has_lines "$DIR/ledger" 1000
	expect 0 ym scale ledger 20
	wait_until 60 has_workers ledger 20
	expect 0 ym scale ledger 200
	wait_until 60 has_workers ledger 200
	expect 0 ym restart ledger --wait --timeout 100s
	(($(done_lines) < jobs)) || fail "all jobs were done before the workers were replaced"
	stop_master
	(($(done_lines) < jobs)) || fail "all jobs were done before the stop"
	start_master
	wait_until 100 is "$jobs" done_lines
	check_ledger "$jobs"
}
