# shellcheck shell=bash
# recent.sh - how long jobs took lately, and how long they took in all.

start_pool() { # WORKERS
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		workers = $1
	EOF
	start_master
}

run_jobs() { # NUMBER MILLISECONDS
	local done_before
	done_before=$(cell sleep DONE)
	for ((i = 0; i < $1; i++)); do
		echo "$2"
	done | ym submit sleep - --lines >"$DIR/ids" || fail "cannot submit"
	wait_until 20 is $((done_before + $1)) cell sleep DONE
}

# Of the pool: "times.run.count state", for example.
told() { # PATHS...
	ym status --json 2>/dev/null | python3 -c '
import functools, json, sys
pool = json.load(sys.stdin)["pools"][0]
print(*(json.dumps(functools.reduce(lambda part, key: part[key], path.split("."), pool)) for path in sys.argv[1:]))' "$@"
}

# Is a time, in seconds, less than this?
shorter() { # PATH SECONDS
	python3 -c 'import sys; sys.exit(not float(sys.argv[1]) < float(sys.argv[2]))' "$(told "$1")" "$2"
}

# Jobs so far have ended some 50 s ago.
let_time_pass() {
	# Nothing is known before the master's first look.
	wait_until 10 positive last_minute.seconds
	"$BUILD/tests/past_minute" "$DIR/run" || fail "the board cannot be written to"
}

positive() { # PATH
	! shorter "$1" 0.001
}

# Slow ones, some time, quick ones: the last minute knows of the quick ones only.
test_last_minute() { # sanitized
	local counts=(last_minute.ended last_minute.run.count times.run.count)
	start_pool 2
	wait_until 10 positive last_minute.seconds
	assert_equal "0 0 0 null" "$(told "${counts[@]}" last_minute.run.p99)" "before anything has ended"
	assert_lacks "LAST MINUTE" "$(ym status)" "the table before anything has ended"
	run_jobs 5 300
	assert_equal "5 5 5 5" "$(told "${counts[@]}" last_hour.ended)" "slow ones"
	shorter last_minute.run.p50 0.25 && fail "they took $(told last_minute.run.p50) s"
	let_time_pass
	assert_equal "0 0 5" "$(told "${counts[@]}")" "a minute later"
	run_jobs 40 5
	assert_equal "40 40 45" "$(told "${counts[@]}")" "quick ones"
	shorter last_minute.run.p50 0.1 || fail "half of the quick ones took $(told last_minute.run.p50) s"
	shorter times.run.max 0.25 && fail "the slow ones are forgotten"
	shorter last_minute.seconds 45 && fail "a minute of $(told last_minute.seconds) s"
	assert_equal 40 "$(ym status | awk '/^LAST MINUTE/ {on = 1} on && $1 == "sleep" {print $2; exit}')" "status"
	stop_master
}

# The master is killed, and workers end for good: nothing is forgotten, and nothing counts twice.
test_last_minute_outlives_masters_and_workers() {
	local counts=(last_minute.ended times.run.count)
	start_pool 3
	run_jobs 5 300
	let_time_pass
	run_jobs 30 5
	slay "$MASTER"
	assert_equal "30 35" "$(told "${counts[@]}")" "without a master"
	start_master
	wait_until 10 is '"running"' told state
	assert_equal "30 35" "$(told "${counts[@]}")" "with another one"
	shorter last_minute.seconds 45 && fail "the new master's minute is of $(told last_minute.seconds) s"
	expect 0 ym scale sleep 1
	wait_until 10 is 1 told workers
	assert_equal "30 35" "$(told "${counts[@]}")" "with one worker of three"
	run_jobs 2 5
	assert_equal "32 37" "$(told "${counts[@]}")" "two more"
	stop_master
}
