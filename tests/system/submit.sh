# shellcheck shell=bash
# submit.sh - payloads in, results out, and what cannot be accepted.

test_wait_prints_the_result() { # sanitized
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	expect 0 ym submit echo "hello, world" --wait
	assert_equal "hello, world" "$OUT" "result"
	assert_equal "" "$ERR" "stderr"
}

test_failure_is_explained() { # sanitized
	write_ini <<-EOF
		[pool:outcome]
		plugin = $PLUGINS/outcome.so
		attempts = 1
	EOF
	start_master
	expect 1 ym submit outcome "2 no such file" --wait
	assert_equal "" "$OUT" "stdout"
	assert_contains "failed: no such file" "$ERR" "stderr"
	expect 1 ym submit outcome 2 --wait
	assert_contains "gave no reason" "$ERR" "failure without a reason"
	expect 1 ym submit outcome 1 --wait
	assert_contains "asked for another attempt and gave no reason" "$ERR" "retry without a reason"
	expect 1 ym submit outcome 3 --wait
	assert_contains "nobody had asked" "$ERR" "cancelled by itself"
	expect 1 ym submit outcome 77 --wait
	assert_contains "returned 77" "$ERR" "unknown outcome"
}

test_failure_is_not_tried_again() {
	write_ini <<-EOF
		[pool:outcome]
		plugin = $PLUGINS/outcome.so
		attempts = 5
	EOF
	start_master
	submit outcome "2 for good"
	wait_until 5 is failed job_state "$JOB"
	assert_equal 1 "$(job_field "$JOB" attempt)" "attempts of a job that failed for good"
}

test_payloads_come_back() { # sanitized
	local size
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	expect 0 ym submit echo --wait
	assert_equal "" "$OUT" "result of an empty payload"
	expect 0 ym submit echo "" --wait
	assert_equal "" "$OUT" "result of an empty argument"
	# Around the sizes that fit into a slot (192 and 448 bytes), and far above.
	for size in 1 191 192 193 447 448 449 100000 1048576; do
		head -c "$size" /dev/urandom >"$DIR/payload"
		ym submit echo --file "$DIR/payload" --wait >"$DIR/result" || fail "$size bytes by --file: exit code $?"
		assert_same_file "$DIR/payload" "$DIR/result" "$size bytes by --file"
		ym submit echo - --wait <"$DIR/payload" >"$DIR/result" || fail "$size bytes by stdin: exit code $?"
		assert_same_file "$DIR/payload" "$DIR/result" "$size bytes by stdin"
	done
	size=$(printf '%0100000d' 0)
	ym submit echo "$size" --wait >"$DIR/result" || fail "100000 bytes as an argument: exit code $?"
	assert_equal 100000 "$(stat -c %s "$DIR/result")" "bytes of a long argument"
}

test_no_payload_file_stays() {
	local i
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	head -c 5000 /dev/urandom >"$DIR/payload"
	start_master
	for i in 1 2 3; do
		ym submit echo --file "$DIR/payload" --wait >"$DIR/result" || fail "job $i: exit code $?"
	done
	stop_master
	assert_equal "" "$(find "$DIR/run" -size +4k -type f)" "files of finished jobs after the end of the instance"
}

test_too_large() { # sanitized
	write_ini "payload_max = 1kb" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		[pool:greedy]
		plugin = $PLUGINS/greedy.so
	EOF
	head -c 1024 /dev/zero >"$DIR/fits"
	head -c 1025 /dev/zero >"$DIR/large"
	start_master
	expect 2 ym submit echo --file "$DIR/large"
	assert_contains payload_max "$ERR" "too large a file"
	expect 2 ym submit echo "$(printf '%01025d' 0)"
	assert_contains payload_max "$ERR" "too large an argument"
	expect 2 ym submit echo - <"$DIR/large"
	assert_contains payload_max "$ERR" "too much on stdin"
	ym submit echo --file "$DIR/fits" --wait >"$DIR/result" || fail "1024 bytes: exit code $?"
	assert_same_file "$DIR/fits" "$DIR/result" "payload of exactly payload_max"
	expect 0 ym submit greedy 1024 --wait
	expect 1 ym submit greedy 1025 --wait
	assert_contains "a result of 1025 bytes was refused" "$ERR" "too large a result"
}

test_unknown_pool() {
	write_ini <<-EOF
		[pool:upload]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	expect 2 ym submit uplaod x
	assert_contains 'no pool "uplaod"' "$ERR" "unknown pool"
	assert_contains 'did you mean "upload"?' "$ERR" "unknown pool"
}

test_wrong_arguments() {
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	expect 2 ym submit echo text --file "$INI"
	assert_contains "given twice" "$ERR" "two payloads"
	expect 2 ym submit echo --tag "$(printf '%048d' 0)"
	assert_contains "is longer than 47 bytes" "$ERR" "long tag"
	expect 2 ym submit echo --wait --wait-timeout soon
	assert_contains "--wait-timeout" "$ERR" "no duration"
	expect 2 ym submit echo --wait-timeout 1s
	assert_contains "goes with --wait" "$ERR" "a time limit of the waiting without --wait"
	expect 2 ym submit echo --priority 10
	assert_contains "--priority: " "$ERR" "no level"
	expect 2 ym submit echo --priority hihg
	assert_contains "urgent, high" "$ERR" "no name of a level"
	expect 2 ym submit echo --delay 1s --at 10:00
	assert_contains "give one of them" "$ERR" "two moments"
	expect 2 ym submit echo --delay 40000d
	assert_contains "more than 100 years" "$ERR" "a delay that cannot be counted"
	expect 2 ym submit echo --unique ""
	assert_contains "the key is empty" "$ERR" "an empty key"
	expect 2 ym submit echo --unique "$(printf '%064d' 0)"
	assert_contains "is longer than 63 bytes" "$ERR" "a long key"
	expect 2 ym submit echo one two
	assert_contains 'too many arguments: "two"' "$ERR" "too many arguments"
	expect 2 ym submit
	assert_contains "something is missing" "$ERR" "no pool"
	expect 2 ym submit echo --instance other
	assert_contains "give one of them" "$ERR" "two instances"
	ym submit echo --file "$DIR/missing" 2>"$DIR/err" && fail "a missing file was accepted"
	assert_contains "$DIR/missing" "$(<"$DIR/err")" "missing file"
	assert_equal 0 "$(ym jobs --json | wc -l)" "jobs after mistakes only"
}

test_not_running() {
	local command
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	for command in "submit echo x" "wait 1" status jobs "show 1" "cancel 1" "kick --all" "pause echo" "drain echo" watch \
		stop; do
		# shellcheck disable=SC2086 # words on purpose
		expect 3 ym $command
		assert_contains "not running" "$ERR" "$command before the first start"
	done
	start_master
	stop_master
	for command in "submit echo x" "wait 1" status jobs "show 1" "cancel 1" "kick --all" "pause echo" "drain echo" watch \
		stop; do
		# shellcheck disable=SC2086
		expect 3 ym $command
		assert_contains "not running" "$ERR" "$command after the end"
	done
}

test_wait_no_longer_than() {
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	expect 1 ym submit sleep 60000 --wait --wait-timeout 100ms
	assert_contains "is not over yet (running)" "$ERR" "time limit of --wait"
	ym cancel 1 >/dev/null
}

test_pools_are_apart() { # sanitized
	write_ini <<-EOF
		[pool:one]
		plugin = $PLUGINS/describe.so
		option.colour = red
		option.empty =
		[pool:two]
		plugin = $PLUGINS/describe.so
		attempts = 7
		option.colour = blue
	EOF
	start_master
	expect 0 ym submit one --tag mine --wait
	assert_equal "pool=one tag=mine attempt=1/3 colour=red empty=" "$OUT" "what pool one is told"
	expect 0 ym submit two --wait
	assert_equal "pool=two tag= attempt=1/7 colour=blue" "$OUT" "what pool two is told"
}

# Results are kept for who waits for them; once fetched they must not hold the slots.
test_fetched_results_make_room() {
	local i
	write_ini "jobs = 64" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	for ((i = 1; i <= 70; i++)); do
		expect 0 ym submit echo "$i" --wait --patience 1s
		assert_equal "$i" "$OUT" "result of job $i"
	done
}

# ---- when, in which order, how long ---------------------------------------------------------------------------------

order_instance() {
	write_ini <<-EOF
		[pool:order]
		plugin = $PLUGINS/order.so
		option.file = $DIR/ran
	EOF
	start_master
}

test_priorities() {
	local name
	order_instance
	expect 0 ym pause order
	for name in idle 6 low 5 high normal urgent; do
		submit order "$name" --priority "$name"
	done
	submit order usual
	expect 0 ym jobs
	assert_contains PRIORITY "$OUT" "head of a list with priorities"
	[[ $OUT =~ \ 2\ waiting\ +order\ +0/3\ +[0-9.]+s\ 6 ]] || fail "no priority in: $OUT"
	expect 0 ym jobs --priority normal
	assert_lacks PRIORITY "$OUT" "head of a list of usual priorities only"
	assert_equal 4 "$(wc -l <<<"$OUT")" "lines of the list of usual priorities"
	assert_equal 3 "$(job_field 5 priority)" "priority high as a number"
	expect 0 ym resume order
	wait_until 5 has_lines "$DIR/ran" 8
	assert_equal "urgent high 5 normal usual 6 low idle" "$(awk '{print $2}' "$DIR/ran" | paste -sd' ')" "order"
}

test_delay() {
	local start
	order_instance
	start=$(now_ms)
	submit order later --delay 300ms
	assert_equal delayed "$(job_state "$JOB")" "state of a delayed job"
	expect 0 ym wait "$JOB"
	assert_less $(($(now_ms) - start)) 299 "ms that were waited at least"
	submit order tomorrow --delay 1d
	expect 0 ym jobs --state delayed
	assert_contains "starts in 23h59m" "$OUT" "what is said of a delayed job"
	expect 0 ym kick "$JOB"
	assert_equal "job $JOB: kicked" "$OUT" "kick of a delayed job"
	wait_until 5 has_lines "$DIR/ran" 2
}

test_at_a_moment() {
	local moment name
	export TZ=XXX-5:30 # 5:30 hours east of Greenwich
	order_instance
	moment=$(($(date +%s) + 86400))
	for name in "$(date -d "@$moment" +%FT%T)" "$(date -d "@$moment" '+%F %T')" "$(TZ=UTC0 date -d "@$moment" +%FT%TZ)" \
		"$(TZ=AAA3 date -d "@$moment" +%FT%T%:z)" "@$moment"; do
		submit order x --at "$name"
		assert_equal "$moment.000" "$(job_field "$JOB" due)" "moment of --at $name"
		expect 0 ym show "$JOB"
		assert_contains "not before  $(date -d "@$moment" +%FT%T%:z)" "$OUT" "moment of --at $name, as it is shown"
	done
	# An hour and a minute that have passed mean tomorrow.
	name=$(date -d "@$(($(date +%s) - 120))" +%H:%M)
	submit order x --at "$name"
	assert_equal "$(date -d "$(date -d "@$(($(date +%s) - 120 + 86400))" +%F) $name" +%s).000" "$(job_field "$JOB" due)" \
		"moment of --at $name"
	submit order past --at 2001-02-03T04:05
	wait_until 5 has_lines "$DIR/ran" 1
	moment=$(($(date +%s) + 2))
	submit order soon --at "@$moment"
	expect 0 ym wait "$JOB"
	(($(date +%s) >= moment)) || fail "started before its moment"
	for name in noon 25:00 10:60 2026-02-30T10:00 2026-11-22T10:00+1 2026-11-22T10:00x @ @12x @999999999999 "" \
		10:00:; do
		expect 2 ym submit order x --at "$name"
		assert_contains "write 2026-11-22T10:00, 10:00 or @UNIX-SECONDS" "$ERR" "--at $name"
	done
}

test_unique() {
	local first
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		[pool:other]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	submit sleep 60000 --unique one
	first=$JOB
	assert_equal "" "$ERR" "stderr of the first"
	expect 0 ym submit sleep 1 --unique one
	assert_equal "$first" "$OUT" "the duplicate's id"
	assert_contains "job $first with the unique key \"one\" is not over yet" "$ERR" "what is said of a duplicate"
	submit other x --unique one
	((JOB != first)) || fail "another pool has the same key"
	expect 1 ym submit sleep 1 --unique one --wait --wait-timeout 10ms
	assert_contains "job $first is not over yet" "$ERR" "waiting for the job that is there already"
	expect 0 ym cancel --unique one --pool sleep
	wait_until 5 is cancelled job_state "$first"
	expect 0 ym submit sleep 1 --unique one --wait
	assert_equal slept "$OUT" "result of the next one with the key"
}

test_time_limit_of_a_job() {
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		attempts = 1
		timeout = 100ms
	EOF
	start_master
	expect 1 ym submit sleep 60000 --wait
	assert_contains "timed out after 100 ms" "$ERR" "the pool's limit"
	expect 0 ym submit sleep 300 --wait --timeout 0
	expect 1 ym submit sleep 60000 --wait --timeout 50ms
	assert_contains "timed out after 50 ms" "$ERR" "the job's own limit"
	assert_equal 0.050 "$(ym jobs --json | tail -n 1 | grep -o '"timeout": [0-9.]*' | cut -d' ' -f2)" "limit in jobs"
}

test_quiet() {
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	expect 0 ym submit echo x --quiet
	assert_equal "" "$OUT" "what submit --quiet says"
	expect 0 ym submit echo x --quiet --wait
	assert_equal "" "$OUT" "what submit --quiet --wait says"
	assert_equal 2 "$(ym jobs --json | wc -l)" "jobs"
}

# While it still reads its payload.
test_instance_removed_by_hand() {
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	mkfifo "$DIR/pipe"
	exec 5<>"$DIR/pipe"
	ym_background submit echo - <"$DIR/pipe" >"$DIR/id" 2>"$DIR/said" 5>&-
	wait_until 5 client_is_in
	ipcrm -a
	wait_until 20 logged "the IPC objects were made anew"
	printf 'late' >&5
	exec 5>&-
	wait "$CLIENT"
	assert_equal 3 $? "exit code of submit"
	assert_equal "" "$(<"$DIR/id")" "its id"
	assert_contains "it is not known whether it was taken in" "$(<"$DIR/said")" "what it says"
	assert_contains "was removed while this process was in it" "$(<"$DIR/said")" "what it says"
}
