# shellcheck shell=bash
# attempts.sh - another attempt, backoff, timeouts, cancelling.

test_attempts_until_it_works() { # sanitized
	write_ini <<-EOF
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		attempts = 4
		backoff = 20ms
	EOF
	start_master
	expect 0 ym submit flaky 3 --wait
	assert_equal 4 "$OUT" "the attempt that worked"
}

test_attempts_are_used_up() {
	write_ini <<-EOF
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		attempts = 3
		backoff = 20ms
	EOF
	start_master
	expect 1 ym submit flaky 100 --wait
	assert_contains "failed: attempt 3 of 3 was not enough" "$ERR" "last error"
}

test_backoff_doubles() {
	local start took
	write_ini <<-EOF
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		attempts = 4
		backoff = 100ms
		backoff_jitter = 0
	EOF
	start_master
	start=$(now_ms)
	expect 0 ym submit flaky 3 --wait
	took=$(($(now_ms) - start))
	# 100 + 200 + 400 ms; a busy machine may take longer, but not by that much.
	assert_less "$took" 699 "backoff of three attempts in ms is at least 700"
	assert_less 30000 "$took" "backoff of three attempts in ms"
}

test_delayed_job_is_shown() {
	write_ini <<-EOF
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		backoff = 60s
	EOF
	start_master
	submit flaky 1
	wait_until 5 is delayed job_state "$JOB"
	expect 0 ym jobs
	assert_contains "attempt 1 of 3 was not enough" "$OUT" "delayed job in jobs"
	assert_contains "again in" "$OUT" "delayed job in jobs"
	wait_until 5 is 1 cell flaky DELAYED
	expect 0 ym cancel "$JOB"
	assert_equal cancelled "$(job_state "$JOB")" "state of a delayed job that was cancelled"
}

test_timeout_is_obeyed() { # sanitized
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		attempts = 2
		backoff = 10ms
		timeout = 100ms
	EOF
	start_master
	local worker
	wait_until 5 is 1 eval 'worker_pids sleep | wc -l'
	worker=$(worker_pids sleep)
	expect 1 ym submit sleep 60000 --wait
	assert_contains "failed: timed out after 100 ms" "$ERR" "error of a timeout"
	assert_equal "$worker" "$(worker_pids sleep)" "the worker of a job that obeyed"
	assert_equal 2 "$(job_field 1 attempt)" "attempts of a job that timed out"
}

test_timeout_kills() {
	local worker
	write_ini <<-EOF
		[pool:stubborn]
		plugin = $PLUGINS/sleep.so
		option.obey = no
		attempts = 2
		timeout = 100ms
		timeout_grace = 100ms
		restart_delay = 10ms
	EOF
	start_master
	wait_until 5 is 1 eval 'worker_pids stubborn | wc -l'
	worker=$(worker_pids stubborn)
	expect 1 ym submit stubborn 60000 --wait
	assert_contains "failed: timed out after 100 ms" "$ERR" "error of a hard timeout"
	assert_contains "killed" "$ERR" "error of a hard timeout"
	assert_equal 2 "$(job_field 1 attempt)" "attempts of a job that timed out"
	wait_until 5 ended "$worker"
	expect 0 ym submit stubborn 1 --wait
}

test_cancel_waiting() { # sanitized
	local first
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	submit sleep 60000
	first=$JOB
	wait_until 5 is running job_state "$first"
	submit sleep 60000
	expect 0 ym cancel "$JOB"
	assert_contains "job $JOB: cancelled" "$OUT" "cancel of a waiting job"
	assert_equal cancelled "$(job_state "$JOB")" "state"
	expect 0 ym cancel "$first"
	assert_contains "asked to stop" "$OUT" "cancel of a running job"
	wait_until 5 is cancelled job_state "$first"
	expect 1 ym cancel "$first"
	assert_contains "over already" "$ERR" "second cancel"
	expect 1 ym cancel 4711
	assert_contains "there is no job 4711" "$ERR" "cancel of nothing"
	expect 2 ym cancel -- -1
	assert_contains "no job id" "$ERR" "cancel of no number"
}

test_cancel_wakes_who_waits() {
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	ym_background submit sleep 60000 --wait 2>"$DIR/client"
	wait_until 5 is running job_state 1
	expect 0 ym cancel 1
	wait "$CLIENT"
	assert_equal 1 $? "exit code of a client whose job was cancelled"
	assert_contains "cancelled" "$(<"$DIR/client")" "what it says"
}

test_cancel_of_several() {
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	submit sleep 60000
	submit sleep 60000
	expect 0 ym cancel 2 1
	wait_until 5 is 2 jobs_in_state cancelled
	expect 1 ym cancel 1 99
}
