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
	expect 2 ym submit echo --wait --timeout soon
	assert_contains "--timeout" "$ERR" "no duration"
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
	for command in "submit echo x" status jobs "cancel 1" watch stop; do
		# shellcheck disable=SC2086 # words on purpose
		expect 3 ym $command
		assert_contains "not running" "$ERR" "$command before the first start"
	done
	start_master
	stop_master
	for command in "submit echo x" status jobs "cancel 1" watch stop; do
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
	expect 1 ym submit sleep 60000 --wait --timeout 100ms
	assert_contains "is not over yet (running)" "$ERR" "timeout of --wait"
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
