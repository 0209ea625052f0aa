# shellcheck shell=bash
# wait.sh - wait for jobs that were submitted before; results that are kept.

instance() { # LINES FOR [yardmaster]...
	write_ini "$@" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		workers = 2
		[pool:outcome]
		plugin = $PLUGINS/outcome.so
		attempts = 1
	EOF
	start_master
}

test_wait_for_several() { # sanitized
	local first
	instance
	submit sleep 200
	first=$JOB
	submit echo "no newline"
	submit outcome "2 no luck"
	submit echo $'with one\n'
	expect 1 ym wait "$first" $((first + 1)) $((first + 2)) $((first + 3))
	assert_equal $'slept\nno newline\nwith one' "$OUT" "results in the order of the arguments"
	assert_equal "yardmaster: job $((first + 2)) failed: no luck" "$ERR" "what is said of the failed one"
	expect 1 ym wait "$first" 4711
	assert_equal slept "$OUT" "the result of the job that exists"
	assert_equal "yardmaster: there is no job 4711" "$ERR" "unknown job"
	expect 2 ym wait x
	assert_contains '"x" is no job id' "$ERR" "no id"
	expect 0 ym wait "$first" --quiet
	assert_equal "" "$OUT" "wait --quiet"
}

waits_in_futex() { # PID
	grep -qs futex "/proc/$1/wchan" || [[ $(cut -d' ' -f1 "/proc/$1/syscall" 2>/dev/null) == 202 ]]
}

test_wait_sleeps_in_the_kernel() {
	local start
	instance
	submit sleep 60000
	ym_background wait "$JOB" 2>"$DIR/waiter"
	wait_until 5 client_is_in
	wait_until 5 waits_in_futex "$CLIENT"
	start=$(now_ms)
	expect 0 ym cancel "$JOB"
	wait "$CLIENT"
	assert_equal 1 $? "exit code of who waited for a cancelled job"
	assert_less 1000 $(($(now_ms) - start)) "ms until it was woken"
	assert_contains "job $JOB cancelled" "$(<"$DIR/waiter")" "what it says"
}

test_wait_no_longer_than() {
	local start
	instance
	submit sleep 60000
	start=$(now_ms)
	expect 1 ym wait "$JOB" "$JOB" --wait-timeout 200ms
	assert_less 2000 $(($(now_ms) - start)) "ms for two jobs"
	assert_contains "job $JOB is not over yet (running)" "$ERR" "time is up"
	expect 0 ym cancel "$JOB"
}

# A busy little table: results go soon, but not those that somebody keeps or waits for.
test_kept_results() {
	local kept plain waited
	instance "jobs = 64"
	submit echo "to keep" --keep
	kept=$JOB
	submit echo "not kept"
	plain=$JOB
	submit sleep 300
	waited=$JOB
	ym_background wait "$waited" >"$DIR/waiter"
	wait_until 5 waits_in_futex "$CLIENT"
	# It comes to read only when the table has been used many times over.
	kill -STOP "$CLIENT"
	wait_until 5 is "done" job_state "$waited"
	seq 1000 | ym submit echo --lines --quiet >"$DIR/out" || fail "submit --lines: exit code $?"
	expect 0 ym wait "$kept"
	assert_equal "to keep" "$OUT" "a kept result"
	expect 1 ym wait "$plain"
	assert_equal "yardmaster: there is no job $plain any more" "$ERR" "a result that nobody kept"
	kill -CONT "$CLIENT"
	wait "$CLIENT"
	assert_equal "0 slept" "$? $(<"$DIR/waiter")" "who waited while the table was busy"
	# It is still there for others, until it is deleted.
	expect 0 ym wait "$kept"
	expect 0 ym delete "$kept"
	expect 1 ym wait "$kept"
}

test_killed_waiter_leaves_nothing() {
	instance
	submit sleep 60000
	ym_background wait "$JOB"
	wait_until 5 client_is_in
	slay "$CLIENT"
	expect 0 ym cancel "$JOB"
	wait_until 10 nobody_is_left
}
