# shellcheck shell=bash disable=SC2016 # evaluated later
# logs.sh - `yardmaster logs`: the last lines, old files, following over rotations; no master is needed for any of it.

# The files are made here, as a master makes them.
instance() {
	write_ini <<-EOF
		[pool:mail]
		plugin = $PLUGINS/print.so
	EOF
	mkdir -p "$DIR/run/logs"
	FILE=$DIR/run/logs/mail.log
}

numbered() { # FROM TO
	local i
	for ((i = $1; i <= $2; i++)); do
		printf '2026-11-22T05:00:00.%03dZ info  mail/%d: line %d\n' $((i % 1000)) $((i % 3)) "$i"
	done
}

# The numbers of the lines in OUT, as a range.
range() {
	sed -n 's/.*: line //p' <<<"$OUT" | awk 'NR == 1 {first = $1; next_one = $1}
		$1 != next_one {print "gap at " $1; exit}
		{next_one++}
		END {if (NR) print first "-" next_one - 1}'
}

test_last_lines() { # sanitized
	instance
	numbered 1 100 >"$FILE"
	expect 0 ym logs mail
	assert_equal 81-100 "$(range)" "lines without -n"
	expect 0 ym logs mail -n 3
	assert_equal "$(numbered 98 100)" "$OUT" "three lines"
	expect 0 ym logs mail -n 0
	assert_equal "" "$OUT" "no lines"
	expect 0 ym logs mail -n 1000
	assert_equal 1-100 "$(range)" "more than there are"
	expect 0 ym logs mail --worker 1 -n 2
	assert_equal $'mail/1: line 97\nmail/1: line 100' "$(cut -d ' ' -f 4- <<<"$OUT")" "lines of a worker"
	printf 'mail/1: no newline yet' >>"$FILE"
	expect 0 ym logs mail -n 1
	assert_equal "$(numbered 100 100)" "$OUT" "half a line is not shown"
}

test_old_files() { # sanitized
	instance
	numbered 1 30 | gzip >"$FILE.3.gz"
	numbered 31 60 >"$FILE.2"
	numbered 61 5000 | gzip >"$FILE.1.gz"
	numbered 5001 5005 >"$FILE"
	expect 0 ym logs mail -n 5
	assert_equal 5001-5005 "$(range)" "of the file alone"
	expect 0 ym logs mail -n 6
	assert_equal 5000-5005 "$(range)" "one of the last old file"
	expect 0 ym logs mail -n 4980
	assert_equal 26-5005 "$(range)" "of all of them"
	expect 0 ym logs mail -n 100000
	assert_equal 1-5005 "$(range)" "all"
	expect 0 ym logs mail --worker 0 -n 1668
	assert_equal "line 3" "$(sed -n '1s/.*: //p' <<<"$OUT")" "the first of a worker"
	# A new file with nothing in it yet.
	: >"$FILE"
	expect 0 ym logs mail -n 2
	assert_equal 4999-5000 "$(range)" "after a rotation"
}

follow_lines() { # OPTIONS...
	ym_background logs mail -f "$@" >"$DIR/followed" 2>"$DIR/followed.err"
}

# Has CLIENT read all of the file?
read_up() {
	local fd
	for fd in "/proc/$CLIENT/fd"/*; do
		[[ $fd -ef $FILE ]] || continue
		grep -q "^pos:[[:space:]]*$(stat -c %s "$FILE")\$" "/proc/$CLIENT/fdinfo/${fd##*/}" && return
	done
	return 1
}

test_follow() { # sanitized
	instance
	# The last one is only half written at first.
	numbered 1 11 | head -c -7 >"$FILE"
	follow_lines -n 2
	wait_until 5 has_lines "$DIR/followed" 2
	{
		printf 'line 11\n' | tail -c 7
		numbered 12 20
	} >>"$FILE"
	wait_until 5 has_lines "$DIR/followed" 12
	# Rotated, with a line that came after the last look.
	numbered 21 21 >>"$FILE"
	mv "$FILE" "$FILE.1"
	numbered 22 25 >"$FILE"
	wait_until 5 has_lines "$DIR/followed" 17
	# Truncated.
	numbered 26 27 >"$FILE"
	wait_until 5 has_lines "$DIR/followed" 19
	# Removed, and there again.
	rm "$FILE"
	numbered 28 30 >"$FILE"
	wait_until 5 has_lines "$DIR/followed" 22
	# Half a line is not shown before its end has come.
	printf 'mail/1: ' >>"$FILE"
	wait_until 5 read_up
	assert_equal 22 "$(wc -l <"$DIR/followed")" "lines while the last one is not whole"
	printf 'line 31\n' >>"$FILE"
	wait_until 5 has_lines "$DIR/followed" 23
	kill -TERM "$CLIENT"
	wait "$CLIENT" 2>/dev/null
	OUT=$(<"$DIR/followed")
	assert_equal 9-31 "$(range)" "what was followed"
	assert_equal "" "$(<"$DIR/followed.err")" "stderr"
}

test_what_there_is() { # sanitized
	instance
	expect 0 ym logs
	assert_equal "NAME STREAM SIZE WRITTEN FILE" "$(xargs <<<"$OUT")" "an empty list"
	numbered 1 10 >"$FILE"
	numbered 1 10 >"$FILE.1"
	echo x >"$DIR/run/logs/mail.err"
	echo raw >"$DIR/web.out"
	ln -s "$DIR/web.out" "$DIR/run/logs/web.log"
	ln -s "$DIR/nowhere" "$DIR/run/logs/gone.log"
	echo own >"$DIR/yard.log"
	ln -s "$DIR/yard.log" "$DIR/run/master.log"
	expect 0 ym logs
	assert_equal "NAME (master) gone mail mail web" "$(awk '{printf "%s%s", sep, $1; sep = " "}' <<<"$OUT")" "names"
	assert_contains "$DIR/web.out" "$OUT" "where a link leads"
	assert_contains "$DIR/nowhere" "$OUT" "a link that leads nowhere"
	expect 0 ym logs web
	assert_equal raw "$OUT" "a file elsewhere"
	expect 0 ym logs mail --stderr
	assert_equal x "$OUT" "stderr"
	expect 0 ym logs --master
	assert_equal own "$OUT" "the master's own"
}

test_mistakes() { # sanitized
	instance
	rmdir "$DIR/run/logs"
	expect 3 ym logs
	assert_contains "instance test has no logs (in $DIR/run/logs)" "$ERR" "no instance"
	instance
	: >"$FILE"
	expect 2 ym logs mial
	assert_contains 'no log of the stdout of "mial": did you mean "mail"?' "$ERR" "a slip"
	expect 2 ym logs ../logs/mail
	expect 2 ym logs mail --stderr
	assert_contains 'no log of the stderr of "mail"' "$ERR" "stderr goes along with stdout"
	expect 2 ym logs -f
	expect 2 ym logs mail --master
	expect 2 ym logs mail -n x
	expect 1 ym logs --master
	assert_contains "it goes to the stderr of its master" "$ERR" "no file"
	ln -s "$DIR/nowhere" "$DIR/run/logs/gone.log"
	expect 2 ym logs gone
	assert_contains "No such file" "$ERR" "the file of a link is missing"
}

test_closed_pipe() {
	instance
	numbered 1 20000 >"$FILE"
	ym logs mail -f -n 20000 2>"$DIR/err" | head -n 1 >"$DIR/out"
	assert_equal "$(numbered 1 1)" "$(<"$DIR/out")" "the first line"
	assert_equal "" "$(<"$DIR/err")" "stderr"
	# Where SIGPIPE is ignored.
	(
		trap '' PIPE
		ym logs mail -f -n 20000 2>"$DIR/err"
		echo $? >"$DIR/code"
	) | head -n 1 >"$DIR/out"
	assert_equal 0 "$(<"$DIR/code")" "exit code"
	assert_equal "" "$(<"$DIR/err")" "stderr"
}
