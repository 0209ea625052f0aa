# shellcheck shell=bash
# payload.sh - payloads and results of hundreds of megabytes, from everywhere, in little memory.

HUGE=$((300 << 20))

# Run with 64 MiB of memory of its own.
in_little_memory() { # COMMAND...
	(
		ulimit -d 65536 || exit 99
		"$@"
	)
}

# The same, with an address space that is smaller than the payload.
in_little_space() { # COMMAND...
	(
		ulimit -v 200000 -d 65536 || exit 99
		"$@"
	)
}

huge_file() { # PATH
	head -c "$HUGE" /dev/urandom >"$1"
}

pool_checksum() { # LINES OF THE POOL...
	write_ini "payload_max = 512mb" "jobs = 64" <<-EOF
		[pool:sum]
		plugin = $PLUGINS/checksum.so
		workers = 1
		$(printf '%s\n' "$@")
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 1
	EOF
}

test_huge_from_a_file_and_a_pipe() {
	local sum
	pool_checksum
	huge_file "$DIR/huge"
	sum=$(cksum <"$DIR/huge")
	start_master
	expect 0 in_little_space ym submit sum --file "$DIR/huge" --wait
	assert_equal "$sum" "$OUT" "checksum of a file"
	expect 0 in_little_space ym submit sum - --wait < <(cat "$DIR/huge")
	assert_equal "$sum" "$OUT" "checksum of a pipe"
}

test_huge_result() {
	pool_checksum
	huge_file "$DIR/huge"
	start_master
	in_little_memory ym submit echo --file "$DIR/huge" --wait >"$DIR/result" || fail "to a file: exit code $?"
	assert_same_file "$DIR/huge" "$DIR/result" "result to a file"
	in_little_memory ym submit echo --file "$DIR/huge" --wait | cmp - "$DIR/huge" || fail "result through a pipe"
}

test_results_to_all_kinds_of_files() { # sanitized
	local size
	pool_checksum
	start_master
	for size in 100 100000; do
		head -c "$size" /dev/urandom >"$DIR/payload"
		ym submit echo --file "$DIR/payload" --wait | cmp - "$DIR/payload" || fail "$size bytes through a pipe"
		echo before >"$DIR/result"
		ym submit echo --file "$DIR/payload" --wait >>"$DIR/result" || fail "$size bytes appended: exit code $?"
		{ echo before; cat "$DIR/payload"; } | cmp - "$DIR/result" || fail "$size bytes appended"
		ym submit echo --file "$DIR/payload" --wait >/dev/full 2>"$DIR/err" && fail "a full disk was not noticed"
		assert_contains "No space left" "$(<"$DIR/err")" "$size bytes to a full disk"
	done
}

# It waits in the table, then in the backlog; at last it is whole.
test_huge_outlives_everything() {
	local sum file
	pool_checksum "option.gate = $DIR/gate" "option.log = $DIR/sums"
	huge_file "$DIR/huge"
	sum=$(cksum <"$DIR/huge")
	start_master
	submit sum blocker
	ym_background submit sum --file "$DIR/huge" --wait >"$DIR/result"
	wait_until 20 is 1 jobs_in_state waiting
	slay "$MASTER"
	assert_equal waiting "$(job_state 2)" "the job while there is no master"
	start_master
	assert_equal waiting "$(job_state 2)" "the job with the next master"
	file=$(find "$DIR/run/jobs" -name '*.payload' -size +1M)
	assert_same_file "$DIR/huge" "$file" "the payload while it waits"
	# Who waits for it is part of the instance.
	slay "$CLIENT"
	stop_master
	assert_equal "" "$(find "$DIR/run/jobs" -type f)" "payload files after the end"
	assert_equal 1 "$(backlogs)" "backlog files after the end"
	assert_less "$(stat -c %s "$DIR"/run/backlog-*)" "$HUGE" "size of the backlog"
	: >"$DIR/gate"
	start_master
	assert_equal 0 "$(backlogs)" "backlog files after the start"
	wait_until 20 has_lines "$DIR/sums" 2
	assert_equal "$(printf blocker | cksum)"$'\n'"$sum" "$(<"$DIR/sums")" "what the jobs saw, in order"
	stop_master
}

test_all_kinds_of_files() { # sanitized
	pool_checksum
	start_master
	printf 'some bytes' >"$DIR/some"
	: >"$DIR/empty"
	head -c 100000 /dev/urandom >"$DIR/more"
	mkfifo "$DIR/fifo"
	local name
	for name in some empty more; do
		expect 0 ym submit sum --file "$DIR/$name" --wait
		assert_equal "$(cksum <"$DIR/$name")" "$OUT" "$name by --file"
		expect 0 ym submit sum - --wait <"$DIR/$name"
		assert_equal "$(cksum <"$DIR/$name")" "$OUT" "$name by stdin"
		expect 0 ym submit sum --file /dev/stdin --wait <"$DIR/$name"
		assert_equal "$(cksum <"$DIR/$name")" "$OUT" "$name by /dev/stdin"
		expect 0 ym submit sum --file /dev/stdin --wait < <(cat "$DIR/$name")
		assert_equal "$(cksum <"$DIR/$name")" "$OUT" "$name by a pipe that is /dev/stdin"
		cat "$DIR/$name" >"$DIR/fifo" &
		expect 0 ym submit sum --file "$DIR/fifo" --wait
		assert_equal "$(cksum <"$DIR/$name")" "$OUT" "$name by a FIFO"
		wait $!
	done
	# Where a part was read already, the rest is the payload.
	{
		read -rn 5 _
		expect 0 ym submit echo - --wait
	} <"$DIR/some"
	assert_equal "bytes" "$OUT" "the rest of a file"
}

test_what_cannot_be_read() { # sanitized
	pool_checksum
	start_master
	expect 2 ym submit sum --file "$DIR"
	assert_contains "$DIR is a directory" "$ERR" "a directory"
	expect 2 ym submit sum - <"$DIR"
	assert_contains "stdin is a directory" "$ERR" "a directory as stdin"
	# Can be opened, but not be read where it begins.
	expect 4 ym submit sum --file /proc/self/mem
	assert_contains "Input/output error" "$ERR" "a file that cannot be read"
	expect 4 ym submit sum - <&-
	assert_contains "Bad file descriptor" "$ERR" "no stdin"
	ln -s loop "$DIR/loop"
	expect 4 ym submit sum --file "$DIR/loop"
	assert_contains "$DIR/loop" "$ERR" "a file that cannot be opened"
	assert_equal 0 "$(ym jobs --json | wc -l)" "jobs after mistakes only"
	assert_equal "" "$(find "$DIR/run/jobs" -type f)" "files after mistakes only"
}

# An endless payload is given up as soon as it is too long, and nothing of it stays.
test_endless() { # sanitized
	write_ini "payload_max = 1mb" <<-EOF
		[pool:sum]
		plugin = $PLUGINS/checksum.so
	EOF
	start_master
	expect 2 ym submit sum --file /dev/zero
	assert_contains "has more than 1048576 bytes, payload_max allows 1048576" "$ERR" "an endless device"
	expect 2 ym submit sum - < <(yes)
	assert_contains "has more than 1048576 bytes, payload_max allows 1048576" "$ERR" "an endless pipe"
	assert_equal 0 "$(ym jobs --json | wc -l)" "jobs"
	assert_equal "" "$(find "$DIR/run/jobs" -type f)" "files"
}

# A small disk: who submits is told, and the instance goes on.
test_no_space() {
	pool_checksum
	mkdir -p "$DIR/run/jobs"
	mount -t tmpfs -o size=1m,mode=700 tmpfs "$DIR/run/jobs" 2>/dev/null || skip "mounting is not allowed here"
	head -c 2000000 /dev/urandom >"$DIR/large"
	start_master
	expect 1 ym submit sum --file "$DIR/large"
	assert_contains "2000000 bytes, 951424 of them missing" "$ERR" "no space"
	assert_contains "$DIR/run/jobs/" "$ERR" "where there is no space"
	assert_equal "" "$(find "$DIR/run/jobs" -type f)" "files"
	expect 0 ym submit sum "$(printf '%01000d' 0)" --wait
	assert_equal "$(printf '%01000d' 0 | cksum)" "$OUT" "a payload that has room"
	stop_master
	umount "$DIR/run/jobs"
}
