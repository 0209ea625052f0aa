# shellcheck shell=bash
# restarts.sh - workers that end: which are started again, how soon, and when a pool is given up.

# A pool that opens only when the file is there, beside one that works.
broken() { # [LINES FOR THE POOL...]
	write_ini <<-EOF
		[pool:broken]
		plugin = $PLUGINS/bad_open.so
		option.file = $DIR/opens
		restart_jitter = 0
		$(printf '%s\n' "$@")
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
}

starts() { # POOL
	grep -c "pool $1: worker [0-9]* started" "$LOG"
}

has_started() { # POOL TIMES
	(($(starts "$1") >= $2))
}

remark() { # POOL
	ym status | awk -v pool="$1" '$1 == "ROW" {exit} $1 == pool'
}

remarks() { # POOL PART
	[[ $(remark "$1") == *"$2"* ]]
}

# A field of a pool, from the JSON of `status`.
pool_field() { # POOL FIELD
	ym status --json | tr '{' '\n' | sed -n "s/^\"name\": \"$1\",.*\"$2\": \"\{0,1\}\([^\",}]*\).*/\1/p"
}

test_given_up() { # sanitized
	broken "startretries = 3" "restart_delay = 10ms" "workers = 2"
	wait_until 10 is FATAL pool_field broken state
	assert_equal 8 "$(starts broken)" "starts of two workers"
	assert_contains FATAL "$(remark broken)" "status"
	assert_contains "the server does not answer" "$(remark broken)" "reason in the status"
	assert_contains "the server does not answer" "$(pool_field broken reason)" "reason in JSON"
	assert_logged "is FATAL, it failed to start 4 times"
	# The others go on.
	expect 0 ym submit echo x --wait
	assert_equal x "$OUT" "result of the other pool"
	assert_equal running "$(pool_field echo state)" "state of the other pool"
	submit broken x
	expect 1 ym start broken --wait
	assert_contains "broken does not start: " "$ERR" "start of what is still broken"
	assert_contains "the server does not answer" "$ERR" "start of what is still broken"
	assert_equal waiting "$(job_state "$JOB")" "a job for the pool"
	: >"$DIR/opens"
	expect 0 ym start broken --wait
	expect 0 ym wait "$JOB"
	assert_equal running "$(pool_field broken state)" "state after the start"
	assert_equal "" "$(pool_field broken reason)" "reason after the start"
}

test_restart_of_what_was_given_up() { # sanitized
	broken "startretries = 0"
	wait_until 10 is FATAL pool_field broken state
	assert_equal 1 "$(starts broken)" "starts"
	: >"$DIR/opens"
	expect 0 ym restart broken --wait
	expect 0 ym submit broken x --wait
	assert_equal open "$OUT" "result"
}

test_delay_grows() {
	broken "restart_delay = 20ms" "restart_factor = 3" "restart_max_delay = 100ms" "startretries = 4"
	wait_until 10 is FATAL pool_field broken state
	assert_equal "20 60 100 100" "$(sed -n 's/.*failed start [0-9]*, next try in \([0-9]*\) ms/\1/p' "$LOG" | xargs)" \
		"delays"
}

test_delay_has_jitter() {
	broken "restart_delay = 200ms" "restart_factor = 1" "workers = 8" "startretries = 1"
	stop_master
	sed -i 's/^restart_jitter.*/restart_jitter = 50/' "$INI"
	start_master
	wait_until 10 is FATAL pool_field broken state
	sed -n 's/.*failed start [0-9]*, next try in \([0-9]*\) ms/\1/p' "$LOG" | tail -n 8 >"$DIR/delays"
	assert_equal 8 "$(wc -l <"$DIR/delays")" "delays"
	awk '$1 < 99 || $1 > 200 {exit 1}' "$DIR/delays" || fail "delays: $(xargs <"$DIR/delays")"
	(($(sort -u "$DIR/delays" | wc -l) > 3)) || fail "no jitter: $(xargs <"$DIR/delays")"
}

# Only failed starts that come close together are counted.
test_window() {
	broken "restart_delay = 150ms" "restart_factor = 1" "startretries = 2" "startretries_window = 100ms"
	wait_until 20 has_started broken 7
	remarks broken degraded || fail "status: $(remark broken)"
	assert_equal 0 "$(grep -c FATAL "$LOG")" "pools given up"
	: >"$DIR/opens"
	expect 0 ym submit broken x --wait
	wait_until 10 is running pool_field broken state
}

quitting() { # EXITCODE [LINES FOR THE POOL...]
	write_ini <<-EOF
		[pool:quits]
		plugin = $PLUGINS/quits.so
		option.ms = 50
		option.code = $1
		startsecs = 0
		$(printf '%s\n' "${@:2}")
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
}

test_expected_end() { # sanitized
	quitting 7 "autorestart = unexpected" "exitcodes = 0,7"
	wait_until 10 logged "exited with code 7: it is not to be started again"
	assert_equal 1 "$(starts quits)" "starts"
	assert_contains "exited with code 7" "$(remark quits)" "status"
	expect 0 ym submit echo x --wait
	expect 0 ym start quits
	wait_until 10 has_started quits 2
	wait_until 10 logged "exited with code 7: it is not to be started again" 2
}

test_unexpected_end() {
	quitting 8 "autorestart = unexpected" "exitcodes = 0,7"
	wait_until 10 has_started quits 3
}

test_no_restart_at_all() {
	quitting 8 "autorestart = no"
	wait_until 10 logged "exited with code 8: it is not to be started again"
	assert_equal 1 "$(starts quits)" "starts"
	expect 0 ym restart quits
	wait_until 10 has_started quits 2
}

# What it does to its worker counts against the job, not against the pool.
test_crashes_over_jobs_are_no_failed_starts() {
	local how
	write_ini <<-EOF
		[pool:crash]
		plugin = $PLUGINS/crash.so
		attempts = 1
		startretries = 1
	EOF
	start_master
	for how in segv abort exit segv abort; do
		expect 1 ym submit crash "$how" --wait
	done
	expect 0 ym submit crash fine --wait
	wait_until 10 is running pool_field crash state
	assert_equal 0 "$(grep -c 'failed start' "$LOG")" "failed starts"
}
