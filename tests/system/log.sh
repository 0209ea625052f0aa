# shellcheck shell=bash disable=SC2016 # evaluated later
# log.sh - what the tasks print ends up in the master's log, and can do no harm there.

test_output_of_tasks() { # sanitized
	local line
	write_ini <<-EOF
		[pool:out]
		plugin = $PLUGINS/print.so
		[pool:err]
		plugin = $PLUGINS/print.so
		option.to = stderr
	EOF
	start_master
	expect 0 ym submit out $'one line\nand another\n' --wait
	expect 0 ym submit err $'from stderr\n' --wait
	wait_until 5 grep -Eq '^[0-9T:.Z-]+ info  out/0: one line$' "$LOG"
	wait_until 5 grep -Eq '^[0-9T:.Z-]+ info  out/0: and another$' "$LOG"
	wait_until 5 grep -Eq '^[0-9T:.Z-]+ info  err/1: from stderr$' "$LOG"
	expect 0 ym submit out $'bell\a colour\033[31m return\r delete\177 tab\t utf\303\244\n' --wait
	line=$'out/0: bell? colour?[31m return? delete? tab\t utf\303\244'
	wait_until 5 grep -qF -e "$line" "$LOG"
}

test_long_lines_are_cut() { # sanitized
	write_ini <<-EOF
		[pool:out]
		plugin = $PLUGINS/print.so
	EOF
	head -c 10000 /dev/zero | tr '\0' x >"$DIR/payload"
	echo >>"$DIR/payload"
	start_master
	expect 0 ym submit out --file "$DIR/payload" --wait
	expect 0 ym submit out $'the end\n' --wait
	wait_until 5 logged "out/0: the end"
	assert_equal 10000 "$(grep -F 'out/0: xxx' "$LOG" | sed 's/.*: //' | tr -d '\n' | wc -c)" "bytes of all pieces"
	assert_equal 0 "$(awk 'length > 4200' "$LOG" | wc -l)" "lines that are too long"
	assert_equal 3 "$(grep -cF 'out/0: xxx' "$LOG")" "pieces"
}

test_last_words_of_a_worker() {
	write_ini <<-EOF
		[pool:out]
		plugin = $PLUGINS/print.so
	EOF
	start_master
	expect 0 ym submit out "no newline" --wait
	stop_master
	assert_logged "out/0: no newline"
}

test_log_level() {
	write_ini "log_level = warn" <<-EOF
		[pool:out]
		plugin = $PLUGINS/print.so
	EOF
	launch_master
	wait_until 5 eval 'ym status >"$DIR/out" 2>&1'
	expect 0 ym submit out x --wait
	stop_master
	assert_equal 0 "$(grep -c ' info  master:' "$LOG")" "info lines with log_level = warn"
}
