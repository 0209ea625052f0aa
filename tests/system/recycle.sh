# shellcheck shell=bash
# recycle.sh - fresh workers for used ones: by the number of their jobs, their age, their memory.

ledger() { # WORKERS [LINES FOR THE POOL...]
	write_ini <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		workers = $1
		$(printf '%s\n' "${@:2}")
	EOF
	start_master
}

# Jobs of the ledger that do nothing, or take MS.
submit_many() { # JOBS [MS]
	expect 0 ym submit ledger - --lines < <(seq -f "%.0f ${2-0}" "$1")
}

done_jobs() {
	awk '$1 == "done" {print $2}' "$DIR/ledger" 2>/dev/null | sort -u | wc -l
}

done_lines() {
	grep -c '^done' "$DIR/ledger"
}

# How many jobs each worker has run, in the order in which they came; the last one may not be used up.
jobs_of_workers() {
	awk '$1 != "done" && $1 != "back" {
			if (!($3 in jobs)) order[++workers] = $3
			jobs[$3]++
		}
		END {for (i = 1; i <= workers; i++) print jobs[order[i]]}' "$DIR/ledger"
}

# A number of the (only) pool, from the JSON of `status`.
number() { # NAME
	ym status --json | sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"
}

has_workers() { # POOL NUMBER
	[[ $(cell "$1" WORKERS) == "$2/$2" && $(worker_pids "$1" | wc -l) == "$2" ]]
}

ready_workers() {
	ym status | awk '$1 == "ROW" {on = 1; next} on && $4 ~ /^(idle|busy)$/ {n++} END {print n + 0}'
}

# Prints the smallest number of workers that were ready, seen until the file is there. Two looks in a row have to see it:
# a look that is held up between two rows shows them as they were at different times.
watch_ready() { # FILE
	local least=1000 now last=1000
	until [[ -e $1 ]]; do
		now=$(ready_workers)
		((now >= least || last >= least)) || least=$((now > last ? now : last))
		last=$now
	done
	echo "$least"
}

test_a_fresh_process_for_each_job() { # sanitized
	ledger 3 "max_jobs = 1" "recycle_at_once = 3"
	submit_many 30 5
	wait_until 30 is 30 done_jobs
	assert_equal 30 "$(jobs_of_workers | wc -l)" "workers for 30 jobs"
	assert_logged "is recycled: max_jobs"
	wait_until 10 has_workers ledger 3
	wait_until 10 is 30 number recycled
	assert_equal 0 "$(cell ledger CRASHES)" "crashes"
}

test_max_jobs_is_exact() { # sanitized
	ledger 1 "max_jobs = 7" "recycle_jitter = 0"
	submit_many 70
	wait_until 30 is 70 done_jobs
	assert_equal "$(printf '7\n%.0s' {1..10})" "$(jobs_of_workers)" "jobs of each worker"
}

test_jitter_spreads() {
	local least most jobs
	ledger 1 "max_jobs = 40" "recycle_jitter = 50"
	submit_many 800
	wait_until 60 is 800 done_jobs
	jobs=$(jobs_of_workers | sed '$d')
	least=$(sort -n <<<"$jobs" | head -n 1)
	most=$(sort -n <<<"$jobs" | tail -n 1)
	assert_less 41 "$most" "most jobs of a worker"
	((least >= 20)) || fail "a worker had only $least jobs"
	(($(sort -u <<<"$jobs" | wc -l) >= 5)) || fail "no jitter: ${jobs//$'\n'/ }"
}

# All would go at the same time; only one may.
test_one_at_a_time() { # sanitized
	local watcher
	ledger 4 "max_jobs = 3" "recycle_jitter = 0" "recycle_at_once = 1" "option.open_ms = 30"
	wait_until 10 has_workers ledger 4
	wait_until 10 is 4 ready_workers
	watch_ready "$DIR/over" >"$DIR/least" &
	watcher=$!
	submit_many 120 5
	wait_until 30 is 120 done_jobs
	: >"$DIR/over"
	wait "$watcher"
	assert_equal 3 "$(<"$DIR/least")" "fewest workers that were ready"
	(($(number recycled) >= 3)) || fail "only $(number recycled) were replaced"
}

# Whoever was to return the permit is dead.
test_recycling_goes_on_after_a_crash() { # sanitized
	local i
	ledger 1 "max_jobs = 1" "recycle_jitter = 0" "startsecs = 0" "restart_delay = 10ms"
	for i in 1 2 3; do
		wait_until 10 is 1 ready_workers
		# shellcheck disable=SC2046 # words on purpose
		slay $(worker_pids ledger)
		submit ledger "$((100 + i)) 0"
	done
	wait_until 10 is 3 done_jobs
	wait_until 10 is 1 ready_workers
	slay "$MASTER"
	start_master
	submit_many 10
	wait_until 10 is 13 done_jobs
	wait_until 10 is 1 ready_workers
	slay "$MASTER"
	submit ledger "200 0"
	wait_until 10 is 14 done_jobs
	start_master
	wait_until 10 has_workers ledger 1
	submit_many 10
	wait_until 10 is 24 done_lines
	# The one without a master goes on, for nobody would start another.
	(($(jobs_of_workers | wc -l) >= 23)) || fail "only $(jobs_of_workers | wc -l) workers for 24 jobs"
}

all_are_new() { # PIDS
	has_workers ledger 4 && [[ -z $(comm -12 <(sort <<<"$1") <(worker_pids ledger | sort)) ]]
}

# They were started together, and are all too old at the same time.
test_max_age() { # sanitized
	local before watcher
	ledger 4 "max_age = 600ms" "recycle_jitter = 0" "recycle_at_once = 1" "option.open_ms = 100"
	wait_until 10 is 4 ready_workers
	before=$(worker_pids ledger)
	watch_ready "$DIR/over" >"$DIR/least" &
	watcher=$!
	submit_many 40 50
	wait_until 30 all_are_new "$before"
	wait_until 30 is 40 done_jobs
	: >"$DIR/over"
	wait "$watcher"
	assert_logged "is recycled: max_age"
	assert_equal 3 "$(<"$DIR/least")" "fewest workers that were ready"
	assert_equal 40 "$(grep -vc '^done' "$DIR/ledger")" "runs of 40 jobs"
}

memory() { # [LINES FOR THE POOL...]
	write_ini <<-EOF
		[pool:memory]
		plugin = $PLUGINS/memory.so
		recycle_jitter = 0
		$(printf '%s\n' "$@")
	EOF
	start_master
}

test_max_memory() { # sanitized
	local first
	memory "max_memory = 400mb"
	expect 0 ym submit memory "1 20" --wait
	first=$OUT
	expect 0 ym submit memory "1 20" --wait
	assert_equal "$first" "$OUT" "the worker of the second small job"
	# It may be as large as it likes during the job.
	expect 0 ym submit memory "500 100" --wait --keep
	assert_equal "$first" "$OUT" "the worker of the large job"
	wait_until 10 logged "is recycled: max_memory"
	expect 0 ym submit memory "1 20" --wait
	[[ $OUT != "$first" ]] || fail "the large worker goes on"
	assert_equal 0 "$(cell memory CRASHES)" "crashes"
	assert_equal 1 "$(number recycled)" "replaced workers"
}

test_max_memory_hard() { # sanitized
	memory "max_memory_hard = 400mb" "crashes = 1" "startsecs = 0"
	expect 0 ym submit memory "1 20" --wait
	submit memory "500 60000"
	wait_until 20 is buried job_state "$JOB"
	expect 0 ym show "$JOB"
	assert_contains "of memory, max_memory_hard is 400.0 MiB" "$OUT" "story of the job"
	assert_contains "was killed by signal 9 (Killed)" "$OUT" "story of the job"
	assert_contains "500 MiB are being filled" "$OUT" "how far it had come"
	assert_logged "of memory, more than max_memory_hard: killing it"
	expect 0 ym submit memory "1 20" --wait
	assert_equal 1 "$(cell memory CRASHES)" "crashes"
}

# max_memory_hard looks at the processes of a command, too.
test_max_memory_hard_of_a_command() {
	write_ini <<-EOF
		[pool:perl]
		command = perl -e '\$x = "x" x (500 << 20); sleep 60'
		max_memory_hard = 400mb
		crashes = 1
	EOF
	start_master
	submit perl x
	wait_until 20 is buried job_state "$JOB"
	expect 0 ym show "$JOB"
	assert_contains "max_memory_hard is 400.0 MiB" "$OUT" "story of the job"
}
