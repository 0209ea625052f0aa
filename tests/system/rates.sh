# shellcheck shell=bash
# rates.sh - starts that keep their distance, weights, pools that share limits, foreign holders of units.

# Nanoseconds of CLOCK_MONOTONIC, which the task writes down as well.
monotonic() {
	perl -MTime::HiRes=clock_gettime,CLOCK_MONOTONIC -e 'printf "%d\n", 1e9 * clock_gettime(CLOCK_MONOTONIC)'
}

rules_pool() { # NAME LINES...
	cat <<-EOT
		[pool:$1]
		plugin = $PLUGINS/rules.so
		option.file = $DIR/ran
		option.name = $1
		$(printf '%s\n' "${@:2}")
	EOT
}

# No start number I (from 0) of those after line FROM may be earlier than I intervals after the first submit, less what
# a start may be late and then counts as in time. Starts are claimed before they are written down.
assert_distances() { # FIRST SUBMIT, INTERVAL IN MS, FROM, NUMBER
	awk -v begin="$1" -v interval="$2" -v from="$3" -v number="$4" '
		$1 == "start" && ++n > from {
			i = n - from - 1
			if ($5 < begin + i * interval * 1e6 - 1e6) {
				printf "start %d came %d ms after the submit\n", i, ($5 - begin) / 1e6
				bad = 1
			}
		}
		END {exit bad || n != from + number}' "$DIR/ran" >"$DIR/distances" ||
		fail "starts: $(<"$DIR/distances") $(<"$DIR/ran")"
}

submit_marks() { # NUMBER POOL...
	local i
	for ((i = 0; i < $1; i++)); do
		echo mark
	done >"$DIR/marks"
	for i in "${@:2}"; do
		expect 0 ym submit "$i" --lines --quiet --file "$DIR/marks"
	done
}

test_rate_of_a_pool() { # sanitized
	local begin
	rules_pool brisk "workers = 3" "rate = 25/s" | write_ini
	start_master
	wait_until 5 is 3 eval 'worker_pids brisk | wc -l'
	begin=$(monotonic)
	submit_marks 10 brisk
	wait_until 10 has_lines "$DIR/ran" 20
	assert_distances "$begin" 40 0 10
	# Nobody saves up for a burst.
	wait_until 5 is idle eval 'ym status --json | grep -o "\"state\": \"\(idle\|busy\|held\)\"" | cut -d\" -f4 | sort -u'
	sleep 0.2
	begin=$(monotonic)
	submit_marks 6 brisk
	wait_until 10 has_lines "$DIR/ran" 32
	assert_distances "$begin" 40 10 6
}

# Of all its pools together; it has no semaphore.
test_rate_of_a_limit() { # sanitized
	local begin
	{
		printf '[limit:api]\nrate = 25/s\n'
		rules_pool one "workers = 2" "limits = api"
		rules_pool two "workers = 2" "limits = api"
	} | write_ini
	start_master
	assert_equal "- - 25/s -" "$(cell api USED) $(cell api MAX) $(cell api RATE) $(cell api KEY)" "row of the limit"
	assert_equal 1 "$(($(wc -l </proc/sysvipc/sem) - 1))" "semaphores, the group's own"
	begin=$(monotonic)
	submit_marks 6 one two
	wait_until 10 has_lines "$DIR/ran" 24
	assert_distances "$begin" 40 0 12
	# Nobody is left behind while the other one goes on.
	awk '$1 == "start" && ++n <= 11 {ran[$2]++} END {exit !(ran["one"] >= 3 && ran["two"] >= 3)}' "$DIR/ran" ||
		fail "the pools do not take turns: $(<"$DIR/ran")"
}

test_both_rates_count() {
	local begin
	{
		printf '[limit:api]\nrate = 100/s\n'
		rules_pool slow "workers = 2" "limits = api" "rate = 20/s"
		rules_pool fast "workers = 2" "limits = api"
	} | write_ini
	start_master
	begin=$(monotonic)
	submit_marks 6 slow fast
	wait_until 10 has_lines "$DIR/ran" 24
	assert_distances "$begin" 10 0 12
	grep ' slow ' "$DIR/ran" >"$DIR/slow"
	mv "$DIR/slow" "$DIR/ran"
	assert_distances "$begin" 50 0 6
}

# A worker that dies while it waits for its turn takes no start with it, and the job is another one's.
test_waiting_for_a_rate_is_shown() { # sanitized
	local pid
	{
		printf '[limit:slow]\nrate = 60/h\n'
		rules_pool limited "limits = slow" "restart_delay = 10ms"
		rules_pool own "rate = 60/h"
		rules_pool free
	} | write_ini
	start_master
	submit_marks 2 limited own
	wait_until 5 is 1 cell slow HELD
	wait_until 5 is 1 cell own WAITING
	wait_until 5 eval 'ym status | grep -q "^own .*waits for limit rate"'
	expect 0 ym status
	[[ $OUT =~ limited\ +1/1\ .*\ waits\ for\ limit\ slow ]] || fail "the pool does not say what holds it up: $OUT"
	[[ $OUT =~ limited\ +held\ .*\ for\ limit\ slow ]] || fail "no held worker: $OUT"
	expect 0 ym status --json
	assert_contains '"waits_for_limit": "rate", "start_interval": 60.0' "$OUT" "status --json of the pool with a rate"
	assert_contains '"start_interval": 60.0, "held": 1' "$OUT" "status --json of the limit"
	assert_equal 2 "$(jobs_in_state waiting)" "jobs that wait"
	expect 0 ym submit free mark --wait
	pid=$(worker_pids limited)
	slay "$pid"
	wait_until 5 is 1 cell limited CRASHES
	wait_until 5 is 1 cell slow HELD
	assert_contains '"attempt": 0, "attempts": 3, "crashes": 0' "$(ym jobs --pool limited --state waiting --json)" \
		"attempts and crashes of who waits"
	# No stop waits for a turn.
	stop_master
	assert_logged "unfinished jobs kept for the next start: 2"
}

# ---- weights ------------------------------------------------------------------------------------------------------

# More units in use than MAX, by what the tasks wrote down between taking and giving back? WEIGHTS: "POOL=UNITS ...".
assert_never_above() { # MAX WEIGHTS
	awk -v max="$1" -v weights="$2" '
		BEGIN {n = split(weights, part, " "); for (i = 1; i <= n; i++) {split(part[i], w, "="); units[w[1]] = w[2]}}
		{used += ($1 == "start" ? 1 : -1) * units[$2]; if (used > max) bad = 1; if (used > most) most = used}
		END {if (bad) print most " units at once"; exit bad || used != 0}' "$DIR/ran" >"$DIR/units" ||
		fail "units: $(<"$DIR/units") $(<"$DIR/ran")"
}

test_weights() { # sanitized
	{
		printf '[limit:cpu]\nmax = 3\n'
		rules_pool heavy "workers = 2" "limits = cpu:2"
		rules_pool light "workers = 3" "limits = cpu"
	} | write_ini
	start_master
	# A heavy and a light one fit; neither a second heavy one nor a second light one does.
	submit heavy "until $DIR/go"
	wait_until 5 is running job_state 1
	submit light "until $DIR/go"
	wait_until 5 is running job_state 2
	assert_equal 3 "$(cell cpu USED)" "used units"
	submit heavy "until $DIR/go"
	submit light "until $DIR/go"
	wait_until 5 is 2 cell cpu HELD
	assert_equal "waiting waiting" "$(job_state 3) $(job_state 4)" "states of those that do not fit"
	touch "$DIR/go"
	wait_until 5 is 4 jobs_in_state "done"
	for _ in {1..10}; do
		echo "quiet 5"
	done >"$DIR/work"
	expect 0 ym submit heavy --lines --quiet --file "$DIR/work"
	expect 0 ym submit light --lines --quiet --file "$DIR/work"
	wait_until 10 is 24 jobs_in_state "done"
	assert_never_above 3 "heavy=2 light=1"
	wait_until 5 is 0 cell cpu USED
}

# Light jobs keep coming; the heavy one needs everything at once, and gets it.
test_heavy_job_is_not_starved() { # sanitized
	{
		printf '[limit:cpu]\nmax = 2\n'
		rules_pool heavy "limits = cpu:2"
		rules_pool light "workers = 3" "limits = cpu"
	} | write_ini
	start_master
	wait_until 5 is 4 eval 'ym status --json | grep -o "\"state\": \"idle\"" | wc -l'
	for _ in {1..1000}; do
		echo "quiet 20"
	done >"$DIR/work"
	expect 0 ym submit light --lines --quiet --file "$DIR/work"
	wait_until 5 has_lines "$DIR/ran" 4
	expect 0 ym submit heavy mark --wait --wait-timeout 5s
	(($(cell light WAITING) > 0)) || fail "the light ones were done before: this test shows nothing"
	# Some end by themselves meanwhile, which it says.
	ym cancel --pool light >"$DIR/cancelled"
	wait_until 5 is 0 cell light RUNNING
	assert_never_above 2 "heavy=2 light=1"
}

test_two_limits_shared_in_any_order() { # sanitized
	{
		printf '[limit:a]\nmax = 2\n[limit:b]\nmax = 3\n'
		rules_pool ab "workers = 3" "limits = a:2, b"
		rules_pool ba "workers = 3" "limits = b:2, a"
	} | write_ini
	start_master
	for _ in {1..40}; do
		echo "quiet 1"
	done >"$DIR/work"
	expect 0 ym submit ab --lines --quiet --file "$DIR/work"
	expect 0 ym submit ba --lines --quiet --file "$DIR/work"
	wait_until 20 is 80 jobs_in_state "done"
	assert_never_above 2 "ab=2 ba=1"
	assert_never_above 3 "ab=1 ba=2"
	wait_until 5 is 0 cell a USED
	wait_until 5 is 0 cell b USED
}

# The same with workers that are killed in the middle of it: nothing leaks, nothing stands still.
test_killed_holders_of_two_limits() { # sanitized
	local i
	{
		printf '[limit:a]\nmax = 2\n[limit:b]\nmax = 3\n'
		rules_pool ab "workers = 2" "limits = a:2, b" "restart_delay = 10ms" "crashes = 99" "attempts = 99"
		rules_pool ba "workers = 2" "limits = b:2, a" "restart_delay = 10ms" "crashes = 99" "attempts = 99"
	} | write_ini
	start_master
	for _ in {1..30}; do
		echo "quiet 10"
	done >"$DIR/work"
	expect 0 ym submit ab --lines --quiet --file "$DIR/work"
	expect 0 ym submit ba --lines --quiet --file "$DIR/work"
	for i in 1 2 3 4 5 6; do
		wait_until 10 has_lines "$DIR/ran" $((i * 6))
		# Whoever started last: most likely at work. It may have ended by itself meanwhile.
		kill -KILL "$(awk '$1 == "start" {pid = $4} END {print pid}' "$DIR/ran")"
	done
	wait_until 20 is 60 jobs_in_state "done"
	wait_until 5 is 0 cell a USED
	wait_until 5 is 0 cell b USED
}

# ---- others who hold units ----------------------------------------------------------------------------------------

# A PHP script that takes UNITS of the semaphore behind KEY, says so, and keeps them.
php_holder() { # KEY MAX UNITS
	# shellcheck disable=SC2016 # PHP's variables
	exec php -r '
		for ($i = 0; $i < (int)$argv[3]; $i++) {
			$sem[$i] = sem_get(hexdec($argv[1]), (int)$argv[2]);
			sem_acquire($sem[$i]) || exit(1);
		}
		echo "held\n";
		sleep(60);
	' -- "$1" "$2" "$3"
}

# The units of a script that is killed wake the pool at once, also one that wants several.
test_killed_script_wakes_the_pool() { # sanitized
	local first second
	{
		printf '[limit:shared]\nmax = 3\nkey = 0x59002001\n'
		rules_pool heavy "workers = 2" "limits = shared:2"
	} | write_ini
	start_master
	php_holder 0x59002001 3 1 >"$DIR/first" &
	first=$!
	php_holder 0x59002001 3 1 >"$DIR/second" &
	second=$!
	wait_until 5 has_line "$DIR/first" held
	wait_until 5 has_line "$DIR/second" held
	submit heavy "until $DIR/go"
	wait_until 5 is shared job_field "$JOB" waits_for_limit
	assert_equal 2 "$(cell shared USED)" "units that the scripts have"
	slay "$first"
	wait_until 5 is running job_state "$JOB"
	assert_equal 3 "$(cell shared USED)" "units of the job and the other script"
	slay "$second"
	touch "$DIR/go"
	wait_until 5 is 0 cell shared USED
}

# The other way round: a script waits for what a worker has, which is killed.
test_killed_worker_wakes_a_script() {
	local script
	{
		printf '[limit:shared]\nmax = 1\nkey = 0x59002002\n'
		rules_pool one "limits = shared" "restart_delay = 10ms" "on_crash = bury"
	} | write_ini
	start_master
	submit one "until $DIR/go"
	wait_until 5 is running job_state "$JOB"
	php_holder 0x59002002 1 1 >"$DIR/script" &
	script=$!
	# shellcheck disable=SC2016 # eval expands it
	wait_until 5 eval '"$YARDMASTER" sem stat 0x59002002 | grep -q " 1 waiting"'
	slay "$(worker_pids one)"
	wait_until 5 has_line "$DIR/script" held
	wait_until 5 is buried job_state "$JOB"
	slay "$script"
}
