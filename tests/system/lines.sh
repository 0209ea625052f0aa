# shellcheck shell=bash
# lines.sh - a job for each line.

instance() { # LINES FOR [yardmaster]...
	write_ini "$@" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		[pool:outcome]
		plugin = $PLUGINS/outcome.so
		attempts = 1
	EOF
	start_master
}

test_ids_in_order() { # sanitized
	instance
	printf 'one\n\nthree\nlast' >"$DIR/lines"
	expect 0 ym submit echo --lines <"$DIR/lines"
	assert_equal $'1\n2\n3\n4' "$OUT" "ids"
	expect 0 ym wait 1 2 3 4
	assert_equal $'one\n\nthree\nlast' "$OUT" "an empty line is a job, the last one needs no newline"
	expect 0 ym submit echo --lines --file "$DIR/lines" --quiet
	assert_equal 4 "$OUT" "number of jobs"
	expect 0 ym submit echo --lines --quiet </dev/null
	assert_equal 0 "$OUT" "number of jobs of nothing"
	expect 0 ym submit echo - --lines --tag many --priority high --delay 1d <"$DIR/lines"
	assert_equal 4 "$(ym jobs --tag many --priority 3 --state delayed --json | wc -l)" "jobs with these options"
}

test_results_in_order() { # sanitized
	instance "jobs = 64"
	# More than the table has slots, and results must hold them until they are printed.
	seq 3000 >"$DIR/lines"
	ym submit echo --lines --wait <"$DIR/lines" >"$DIR/results" || fail "exit code $?"
	assert_same_file "$DIR/lines" "$DIR/results" "results"
	printf '0\n2 bad\n0\n' >"$DIR/lines"
	expect 1 ym submit outcome --lines --wait <"$DIR/lines"
	assert_contains "job 3002 failed: bad" "$ERR" "a line that failed"
	printf '1\n60000\n1' >"$DIR/lines"
	expect 1 ym submit sleep --lines --wait --wait-timeout 500ms <"$DIR/lines"
	assert_equal slept "$OUT" "results when time was up"
	assert_contains "2 of 3 jobs are not over yet" "$ERR" "time is up"
	ym cancel --pool sleep >/dev/null
}

# Bytes of all kinds, and lines that are longer than a slot, a pipe and a buffer.
test_any_bytes() { # sanitized
	instance
	{
		printf 'a\0b\n\0\n'
		head -c 447 /dev/zero | tr '\0' x
		echo
		head -c 449 /dev/zero | tr '\0' y
		echo
		head -c 3000000 /dev/urandom | tr '\n' z
		echo
		echo end
	} >"$DIR/lines"
	# shellcheck disable=SC2002 # a pipe on purpose
	cat "$DIR/lines" | ym submit echo --lines --wait >"$DIR/results" || fail "exit code $?"
	assert_same_file "$DIR/lines" "$DIR/results" "results"
}

test_too_long_a_line() {
	instance "payload_max = 1kb"
	{
		echo fits
		head -c 1024 /dev/zero
		echo
		head -c 1025 /dev/zero
		echo
		echo never
	} >"$DIR/lines"
	expect 2 ym submit echo --lines <"$DIR/lines"
	assert_equal $'1\n2' "$OUT" "ids of the lines before"
	assert_contains "line 3: " "$ERR" "the line that is too long"
	assert_contains "payload_max" "$ERR" "the line that is too long"
	assert_contains "2 jobs were taken in before" "$ERR" "the line that is too long"
	# One without an end is not read to the end of memory.
	expect 2 ym submit echo --lines < <(exec head -c 400000000 /dev/zero)
	assert_contains "line 1 has more than 1024 bytes (payload_max)" "$ERR" "an endless line"
}

test_nothing_is_held_back() {
	instance
	mkfifo "$DIR/pipe"
	exec 5<>"$DIR/pipe"
	ym_background submit echo --lines --wait <"$DIR/pipe" >"$DIR/results"
	printf 'first\nhalf' >&5
	wait_until 5 has_line "$DIR/results" first
	printf ' of it\n' >&5
	wait_until 5 has_line "$DIR/results" "half of it"
	slay "$CLIENT"
	ym_background submit echo --lines <"$DIR/pipe" >"$DIR/ids"
	printf 'more\n' >&5
	wait_until 5 has_line "$DIR/ids" 3
	slay "$CLIENT"
}

# Into what was removed nothing is taken in.
test_instance_removed_by_hand() {
	instance
	mkfifo "$DIR/pipe"
	exec 5<>"$DIR/pipe"
	ym_background submit echo --lines <"$DIR/pipe" >"$DIR/ids" 2>"$DIR/said" 5>&-
	printf 'first\n' >&5
	wait_until 5 has_line "$DIR/ids" 1
	ipcrm -a
	wait_until 20 logged "the IPC objects were made anew"
	printf 'second\n' >&5
	exec 5>&-
	wait "$CLIENT"
	assert_equal 3 $? "exit code of submit --lines"
	assert_equal 1 "$(<"$DIR/ids")" "ids"
	assert_contains "line 2 and what follows: it is not known whether it was taken in" "$(<"$DIR/said")" "what it says"
	assert_contains "; 1 jobs were taken in before" "$(<"$DIR/said")" "what it says of the first one"
}

test_full() {
	local start
	instance "jobs = 64"
	expect 0 ym pause echo
	expect 1 ym submit echo --lines --patience 0 < <(seq 70)
	assert_equal 64 "$(wc -l <<<"$OUT")" "ids until the table was full"
	assert_contains "line 65: the job table is full" "$ERR" "a full table"
	assert_contains "64 jobs were taken in before" "$ERR" "a full table"
	start=$(now_ms)
	expect 1 ym submit echo --lines --patience 300ms < <(seq 70)
	assert_less $(($(now_ms) - start)) 299 "ms of patience"
	assert_contains "; 0 jobs were taken in before" "$ERR" "a full table from the start"
	expect 0 ym resume echo
	# With patience for each step, not for the whole: 200 jobs of 10 ms through 64 slots take longer than that.
	expect 0 ym submit sleep --lines --patience 900ms --quiet < <(yes 10 | head -n 200)
	assert_equal 200 "$OUT" "jobs through a small table"
}

test_options_that_do_not_go_together() {
	instance
	expect 2 ym submit echo text --lines
	assert_contains "given twice" "$ERR" "payload and --lines"
	expect 2 ym submit echo --lines --unique x
	assert_contains "--unique and --lines" "$ERR" "--unique and --lines"
	expect 2 ym submit echo --lines --file "$DIR"
	assert_contains "is a directory" "$ERR" "lines of a directory"
}

# Far fewer system calls than jobs.
test_few_system_calls() {
	command -v strace >/dev/null || skip "strace is not installed"
	instance
	seq 10000 >"$DIR/lines"
	strace -f -c -o "$DIR/calls" "$YARDMASTER" submit -c "$INI" echo --lines --quiet <"$DIR/lines" >"$DIR/out" ||
		fail "exit code $?"
	assert_equal 10000 "$(<"$DIR/out")" "jobs"
	assert_less 2000 "$(awk '$NF == "total" {print $4}' "$DIR/calls")" "system calls for 10000 jobs"
}
