# shellcheck shell=bash
# modes.sh - pause, resume and drain a pool; limits and modes in status.

instance() {
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		[pool:a-pool-with-a-very-long-name]
		command = cat
		limits = slow
		[limit:slow]
		rate = 30/m
		[limit:brisk]
		rate = 700/s
		[limit:odd]
		rate = 1000/d
	EOF
	start_master
}

test_pause_and_resume() { # sanitized
	instance
	submit sleep 500
	wait_until 5 is running job_state 1
	expect 0 ym pause echo sleep
	assert_contains "pool sleep is paused" "$OUT" "pause"
	submit echo x
	submit sleep 1
	expect 0 ym wait 1 # a running one goes on
	assert_equal "waiting waiting" "$(job_state 2) $(job_state 3)" "states in paused pools"
	expect 0 ym jobs --pool echo
	assert_contains "its pool is paused" "$OUT" "why it waits"
	expect 0 ym status
	grep -q '^echo .* paused$' <<<"$OUT" || fail "no paused pool in: $OUT"
	assert_contains '"paused": true' "$(ym status --json)" "status --json"
	expect 0 ym resume echo
	expect 0 ym wait 2
	assert_equal waiting "$(job_state 3)" "state in the other pool"
	expect 0 ym resume sleep
	expect 0 ym wait 3
	expect 2 ym pause ecko
	assert_contains 'did you mean "echo"?' "$ERR" "unknown pool"
	expect 2 ym pause echo ecko
	assert_lacks paused "$(ym status)" "status after a mistake"
}

# A pool stays paused when the master dies; another one does not start its jobs either.
test_pause_outlives_the_master() {
	instance
	expect 0 ym pause echo
	slay "$MASTER"
	expect 0 ym submit echo x
	start_master
	assert_contains " paused" "$(ym status)" "status of the new master"
	assert_equal waiting "$(job_state 1)" "state of the job"
	expect 0 ym resume echo
	expect 0 ym wait 1
}

test_drain() { # sanitized
	local start
	instance
	submit sleep 300
	submit sleep 1
	submit sleep 1 --delay 200ms
	expect 0 ym drain sleep
	assert_contains "pool sleep is empty" "$OUT" "drain"
	assert_contains "pool sleep is draining: 3 jobs to go" "$ERR" "drain"
	assert_equal 3 "$(jobs_in_state "done")" "jobs that were done before it ended"
	expect 1 ym submit sleep 1
	assert_contains "pool sleep is being drained" "$ERR" "submit into a drained pool"
	expect 1 ym submit sleep --lines < <(seq 3)
	assert_contains "is being drained" "$ERR" "submit --lines into a drained pool"
	ym status | grep -q '^sleep .* draining$' || fail "no draining pool in status"
	assert_contains '"draining": true' "$(ym status --json)" "status --json"
	expect 0 ym submit echo x --wait
	expect 0 ym resume sleep
	expect 0 ym submit sleep 1 --wait
	submit sleep 60000
	start=$(now_ms)
	expect 1 ym drain sleep --wait-timeout 200ms
	assert_less 2000 $(($(now_ms) - start)) "ms of waiting"
	assert_contains "pool sleep is not empty yet (1 job); it goes on draining" "$ERR" "time is up"
	expect 0 ym resume sleep
	expect 0 ym drain sleep --no-wait
	assert_contains "pool sleep is draining" "$OUT" "drain --no-wait"
	expect 1 ym submit sleep 1
	expect 0 ym cancel --pool sleep
	expect 0 ym drain sleep
	expect 2 ym drain slep
	assert_contains 'did you mean "sleep"?' "$ERR" "unknown pool"
}

test_interrupted_drain() {
	instance
	submit sleep 60000
	# A background job of a shell without job control ignores SIGINT; this one must not.
	perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$YARDMASTER" drain -c "$INI" sleep 2>"$DIR/drain" &
	CLIENT=$!
	wait_until 5 grep -q "1 job to go" "$DIR/drain"
	kill -INT "$CLIENT"
	wait "$CLIENT"
	assert_equal 130 $? "exit code of an interrupted drain"
	assert_contains "goes on draining" "$(<"$DIR/drain")" "what it says"
	expect 1 ym submit sleep 1
	expect 0 ym cancel 1
	wait_until 10 nobody_is_left
}

test_status_of_rates_and_long_names() {
	local line
	instance
	expect 0 ym submit a-pool-with-a-very-long-name x --wait
	submit a-pool-with-a-very-long-name y
	wait_until 5 is 1 cell slow HELD
	assert_equal "- - 30/m -" "$(cell slow USED) $(cell slow MAX) $(cell slow RATE) $(cell slow KEY)" "a limit without units"
	assert_equal "700/s 1000/d" "$(cell brisk RATE) $(cell odd RATE)" "other rates"
	expect 0 ym status
	assert_contains "waits for limit slow" "$OUT" "status"
	# Every row of the pools ends its last number where the head does.
	while read -r line; do
		[[ $line =~ ^.{$(($(ym status | grep ^POOL | wc -c) - 2))}[0-9]($|\ ) ]] || fail "not aligned: $line"
	done < <(sed -n '/^POOL/,/^$/p' <<<"$OUT" | sed '1d;$d')
	assert_contains '"start_interval": 2.0' "$(ym status --json)" "status --json"
}
