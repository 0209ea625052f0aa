# shellcheck shell=bash
# tasks.sh - commands as tasks: what a program gets, what becomes of what it does, how it is ended.

# One pool with this command; further arguments are lines for it.
command_pool() { # COMMAND LINES...
	write_ini <<-EOT
		[pool:task]
		command = $1
		restart_delay = 10ms
		$(printf '%s\n' "${@:2}")
	EOT
	start_master
}

# A script of the test, for what would be hard to read within quotes in an INI.
write_script() {
	{
		printf '#!/bin/sh\n'
		cat
	} >"$DIR/script"
	chmod 700 "$DIR/script"
}

# The pid that a command wrote down.
noted() { # FILE
	[[ -s $1 ]] && ! ended "$(<"$1")"
}

# ---- what it gets -------------------------------------------------------------------------------------------------

test_payload_on_stdin() { # sanitized
	command_pool "cat"
	expect 0 ym submit task "a line" --wait
	assert_equal "a line" "$OUT" "result"
	expect 0 ym submit task --wait
	assert_equal "" "$OUT" "result of an empty payload"
	printf 'a\0b\377c\n' >"$DIR/bytes"
	ym submit task --file "$DIR/bytes" --wait >"$DIR/result" || fail "submit: exit code $?"
	assert_same_file "$DIR/bytes" "$DIR/result" "binary payload"
	# One that is not read harms nobody.
	stop_master
	command_pool "true"
	head -c 300000 /dev/zero >"$DIR/zeroes"
	expect 0 ym submit task --file "$DIR/zeroes" --wait
}

test_large_payload_on_stdin() { # sanitized
	command_pool "md5sum" "output_max = 1kb"
	head -c 5000000 /dev/urandom >"$DIR/large"
	expect 0 ym submit task --file "$DIR/large" --wait
	assert_equal "$(md5sum <"$DIR/large")" "$OUT" "checksum by the task"
	stop_master
	command_pool "cat" "output_max = 6mb"
	ym submit task --file "$DIR/large" --wait >"$DIR/result" || fail "submit: exit code $?"
	assert_same_file "$DIR/large" "$DIR/result" "what came back"
}

test_payload_in_the_words() { # sanitized
	command_pool "printf '<%s>' {} 'to {}!' {{}} {x}"
	expect 0 ym submit task "a b'\$c" --wait
	assert_equal "<a b'\$c><to a b'\$c!><{}><{x}>" "$OUT" "words"
	expect 0 ym submit task --wait
	assert_equal "<><to !><{}><{x}>" "$OUT" "words with an empty payload"
	printf 'a\0b' >"$DIR/bytes"
	expect 1 ym submit task --file "$DIR/bytes" --wait
	assert_contains "NUL" "$ERR" "payload with a NUL byte"
	assert_equal 1 "$(job_field 3 attempt)" "attempts of a payload that can never be a word"
	head -c 131072 /dev/zero | tr '\0' x >"$DIR/bytes"
	expect 1 ym submit task --file "$DIR/bytes" --wait
	assert_contains "failed" "$ERR" "payload above the kernel's limit of an argument"
	# stdin is empty then.
	stop_master
	command_pool "sh -c 'printf %s \"\$1\"; wc -c' sh {}"
	expect 0 ym submit task "x" --wait
	assert_equal x0 "$OUT" "payload and number of bytes on stdin"
}

test_payload_in_a_file() { # sanitized
	command_pool "sh -c 'cat \"\$1\" - ; echo \"\$1\" >$DIR/path' sh {file}"
	expect 0 ym submit task "small" --wait
	assert_equal small "$OUT" "small payload"
	[[ ! -e $(<"$DIR/path") ]] || fail "$(<"$DIR/path") is left"
	head -c 50000 /dev/urandom >"$DIR/large"
	ym submit task --file "$DIR/large" --wait >"$DIR/result" || fail "submit: exit code $?"
	assert_same_file "$DIR/large" "$DIR/result" "large payload"
	expect 0 ym submit task --wait
	assert_equal "" "$OUT" "empty payload"
	assert_equal "" "$(find "$DIR/run" -name 'command.*')" "files that were made for the command"
}

test_environment() { # sanitized
	export KEPT=kept
	write_script <<-'EOT'
		echo "$YARDMASTER_JOB $YARDMASTER_ATTEMPT/$YARDMASTER_ATTEMPTS $YARDMASTER_POOL $YARDMASTER_INSTANCE"
		echo "<$YARDMASTER_TAG> $YARDMASTER_PROGRESS_FD $KEPT <$OWN> <${EMPTY-unset}>"
		ls /proc/self/fd | grep -vx 4 | paste -sd' '
		[ "$YARDMASTER_ATTEMPT" = 2 ] || exit 75
	EOT
	command_pool "$DIR/script" "attempts = 7" "backoff = 1ms" "option.OWN = two words" "option.EMPTY ="
	expect 0 ym submit task x --tag "my tag" --wait
	assert_equal "1 2/7 task test
<my tag> 3 kept <two words> <>
0 1 2 3" "$OUT" "environment and descriptors"
	expect 0 ym submit task x --wait
	assert_contains "<> 3" "$OUT" "no tag"
}

# ---- what becomes of it -------------------------------------------------------------------------------------------

test_exit_codes() { # sanitized
	command_pool "sh -c 'echo \"say \$1\" >&2; exit \$1' sh {}" "attempts = 2" "backoff = 1ms" "retry_codes = 75, 99" \
		"crashes = 9"
	expect 0 ym submit task 0 --wait
	expect 1 ym submit task 2 --wait
	assert_contains "job 2 failed: exited with code 2: say 2" "$ERR" "code 2"
	expect 1 ym submit task 75 --wait
	assert_contains "exited with code 75: say 75" "$ERR" "code 75"
	expect 1 ym submit task 99 --wait
	expect 1 ym submit task 255 --wait
	assert_equal "1 1 2 2 1" "$(for i in 1 2 3 4 5; do job_field $i attempt; done | paste -sd' ')" "attempts"
	expect 0 ym show --json 3
	assert_equal 2 "$(grep -o '"exit_code": 75' <<<"$OUT" | wc -l)" "attempts told"
	assert_logged "task/0: say 75"
}

test_signal_is_a_crash() { # sanitized
	local worker
	command_pool "sh -c 'echo last words >&2; echo progress 3/9 half way >&3; kill -SEGV \$\$'" "crashes = 2"
	wait_until 5 is 1 eval 'worker_pids task | wc -l'
	worker=$(worker_pids task)
	expect 1 ym submit task x --wait
	assert_contains "was killed by signal 11 (Segmentation fault): last words" "$ERR" "error"
	assert_equal "buried 2" "$(job_state 1) $(job_field 1 crashes)" "state and crashes"
	expect 0 ym show 1
	for part in "2 killed the worker or the command" "progress 3/9" "killed by signal 11" "last note   half way" \
		"    last words"; do
		assert_contains "$part" "$OUT" "story"
	done
	assert_equal "$worker" "$(worker_pids task)" "the worker, which lives"
}

test_long_output() { # sanitized
	command_pool "sh -c 'head -c 3000000 /dev/zero | tr \"\\\\0\" x; echo end >&2'" "output_max = 1000"
	ym submit task x --wait >"$DIR/result" || fail "submit: exit code $?"
	assert_equal "$(printf 'x%.0s' {1..1000})" "$(<"$DIR/result")" "result"
	wait_until 5 logged "job 1: stdout had 2999000 bytes more than the 1000 that are kept as its result"
	assert_equal 1000 "$(job_field 1 result_bytes)" "bytes of the result"
	stop_master
	# Exactly what may be kept is not worth a line.
	command_pool "cat" "output_max = 5"
	expect 0 ym submit task 12345 --wait
	assert_equal 12345 "$OUT" "result"
	expect 0 ym submit task 123456 --wait
	assert_equal 12345 "$OUT" "result that was cut"
	wait_until 5 logged "job 3: stdout had 1 bytes more"
	! logged "job 2: stdout had" || fail "a line for a result that was not cut"
}

test_errors_go_to_the_log() {
	command_pool "sh -c 'echo one >&2; echo result; printf two >&2; exec 3>&-; seq 100 200 >&2'" "workers = 1"
	expect 0 ym submit task x --wait
	assert_equal result "$OUT" "result"
	wait_until 5 logged "task/0: 200"
	assert_logged "task/0: one"
	assert_logged "task/0: two100"
	assert_equal 102 "$(grep -c ' task/0: ' "$LOG")" "lines of the task"
}

test_progress_while_it_runs() { # sanitized
	local go=$DIR/go
	write_script <<-EOT
		echo "unit files" >&3
		echo "progress 42/100 resizing" >&3
		until [ -e $go.1 ]; do sleep 0.01; done
		echo "nonsense" >&3
		echo "progress 50%" >&3
		echo "note almost there" >&3
		until [ -e $go.2 ]; do sleep 0.01; done
	EOT
	command_pool "$DIR/script"
	submit task x
	wait_until 5 is 42 job_field 1 "done"
	wait_until 5 is resizing job_field 1 note
	assert_equal "100 files" "$(job_field 1 total) $(job_field 1 unit)" "total and unit"
	expect 0 ym status
	assert_contains "42 of 100 files  resizing" "$OUT" "status"
	assert_contains '"progress": {"done": 42, "total": 100, "unit": "files", "note": "resizing", "since": ' "$(ym status --json)" \
		"status --json"
	touch "$go.1"
	wait_until 5 is "almost there" job_field 1 note
	assert_equal "50 100" "$(job_field 1 "done") $(job_field 1 total)" "progress beside another note"
	assert_logged nonsense
	touch "$go.2"
	expect 0 ym wait 1 --wait-timeout 10s
}

test_missing_program() {
	local name
	for name in "$DIR/nothing" no-such-program-at-all; do
		write_ini <<-EOT
			[pool:task]
			command = $name {}
		EOT
		expect 2 "$YARDMASTER" check "$INI"
		assert_contains "no such" "$ERR" "check of $name"
		assert_contains "$name" "$ERR" "check of $name"
	done
	# It may disappear later; the worker lives on.
	write_script <<<"echo here"
	command_pool "$DIR/script"
	expect 0 ym submit task x --wait
	rm "$DIR/script"
	expect 1 ym submit task x --wait
	assert_contains "cannot run \"$DIR/script\"" "$ERR" "error"
	assert_contains "No such file or directory" "$ERR" "error"
	assert_equal 1 "$(job_field 2 attempt)" "attempts"
	write_script <<<"echo back"
	expect 0 ym submit task x --wait
	assert_equal back "$OUT" "result"
	# Not executable; without a first line for the kernel.
	chmod 600 "$DIR/script"
	expect 1 ym submit task x --wait
	assert_contains "Permission denied" "$ERR" "error of a file that is no program"
	echo "echo bare" >"$DIR/script"
	chmod 700 "$DIR/script"
	expect 1 ym submit task x --wait
	assert_contains "#!" "$ERR" "error of a script without an interpreter"
	assert_equal 0 "$(cell task CRASHES)" "crashes"
}

# ---- how it is ended ----------------------------------------------------------------------------------------------

test_cancel_terminates() { # sanitized
	local pid
	write_script <<-EOT
		trap 'echo heard >$DIR/heard; exit 0' TERM
		echo \$\$ >$DIR/pid
		while :; do sleep 0.01; done
	EOT
	command_pool "$DIR/script" "timeout_grace = 1m"
	submit task x
	wait_until 5 noted "$DIR/pid"
	pid=$(<"$DIR/pid")
	expect 0 ym cancel 1
	wait_until 5 is cancelled job_state 1
	ended "$pid" || fail "the command lives"
	assert_equal heard "$(<"$DIR/heard")" "what the command heard"
	assert_equal 1 "$(job_field 1 attempt)" "attempts"
}

test_cancel_kills_who_ignores_it() { # sanitized
	local pid worker
	write_script <<-EOT
		trap 'echo heard >>$DIR/heard' TERM
		sh -c 'trap "" TERM; echo \$\$ >$DIR/child; while :; do sleep 0.01; done' &
		echo \$\$ >$DIR/pid
		while :; do sleep 0.01; done
	EOT
	command_pool "$DIR/script" "timeout_grace = 2s"
	wait_until 5 is 1 eval 'worker_pids task | wc -l'
	worker=$(worker_pids task)
	submit task x
	wait_until 5 noted "$DIR/pid"
	wait_until 5 noted "$DIR/child"
	pid=$(<"$DIR/pid")
	expect 0 ym cancel 1
	wait_until 5 is cancelled job_state 1
	ended "$pid" || fail "the command lives"
	wait_until 5 ended "$(<"$DIR/child")"
	assert_equal heard "$(<"$DIR/heard")" "what the command heard before"
	assert_equal "$worker" "$(worker_pids task)" "the worker, which lives"
	assert_equal 0 "$(job_field 1 crashes)" "crashes"
}

# A stopped command is waken up to hear it.
test_cancel_of_a_stopped_command() {
	write_script <<-EOT
		echo \$\$ >$DIR/pid
		kill -STOP \$\$
		sleep 60
	EOT
	command_pool "$DIR/script" "timeout_grace = 1m"
	submit task x
	wait_until 5 noted "$DIR/pid"
	wait_until 5 grep -q '^State:.T' "/proc/$(<"$DIR/pid")/status"
	expect 0 ym cancel 1
	wait_until 5 is cancelled job_state 1
}

test_timeout_of_a_command() { # sanitized
	command_pool "sh -c 'echo on it >&2; exec sleep 60'" "attempts = 2" "backoff = 1ms" "timeout = 100ms"
	expect 1 ym submit task x --wait
	assert_contains "timed out after 100 ms" "$ERR" "error"
	assert_equal "2 0" "$(job_field 1 attempt) $(job_field 1 crashes)" "attempts and crashes"
	assert_equal 0 "$(pgrep -cx sleep)" "commands that are left"
}

test_command_dies_with_its_worker() { # sanitized
	local pid child
	write_script <<-EOT
		[ "\$YARDMASTER_ATTEMPT" = 1 ] || { echo second; exit; }
		sh -c 'trap "" TERM; echo \$\$ >$DIR/child; while :; do sleep 0.01; done' &
		echo \$\$ >$DIR/pid
		while :; do sleep 0.01; done
	EOT
	command_pool "$DIR/script"
	ym_background submit task x --wait >"$DIR/result"
	wait_until 5 noted "$DIR/pid"
	wait_until 5 noted "$DIR/child"
	pid=$(<"$DIR/pid")
	child=$(<"$DIR/child")
	slay "$(worker_pids task)"
	wait_until 5 ended "$pid"
	# The command's own children the kernel leaves alone; the master does not.
	wait_until 5 ended "$child"
	wait "$CLIENT" || fail "submit --wait: exit code $?"
	assert_equal second "$(<"$DIR/result")" "result of the second attempt"
	assert_equal "2 1" "$(job_field 1 attempt) $(job_field 1 crashes)" "attempts and crashes"
}

# The kernel does it alone.
test_command_dies_without_a_master() {
	local pid
	write_script <<-EOT
		[ "\$YARDMASTER_ATTEMPT" = 1 ] || { echo second; exit; }
		echo \$\$ >$DIR/pid
		exec sleep 60
	EOT
	command_pool "$DIR/script"
	submit task x --keep
	wait_until 5 noted "$DIR/pid"
	pid=$(<"$DIR/pid")
	slay "$MASTER"
	slay "$(worker_pids task)"
	wait_until 5 ended "$pid"
	start_master
	expect 0 ym wait 1 --wait-timeout 10s
	assert_equal second "$OUT" "result of the second attempt"
}

# Whoever keeps the pipes open does not keep the job; at its end the group is cleared up.
test_children_left_behind() { # sanitized
	command_pool "sh -c 'sleep 60 & echo \$! >$DIR/child; echo \"progress 1/2\" >&3; echo fine'"
	expect 0 ym submit task x --wait
	assert_equal fine "$OUT" "result"
	wait_until 5 ended "$(<"$DIR/child")"
}

test_stop_gives_the_job_back() { # sanitized
	write_script <<-EOT
		[ -e $DIR/pid ] && { echo "attempt \$YARDMASTER_ATTEMPT" >$DIR/second; exit; }
		echo \$\$ >$DIR/pid
		exec sleep 60
	EOT
	command_pool "$DIR/script" "stopwaitsecs = 0"
	submit task x
	wait_until 5 noted "$DIR/pid"
	stop_master
	ended "$(<"$DIR/pid")" || fail "the command lives"
	assert_equal 1 "$(backlogs)" "backlog files"
	start_master
	wait_until 5 has_line "$DIR/second" "attempt 1"
}
