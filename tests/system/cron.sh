# shellcheck shell=bash
# cron.sh - jobs at certain times: in time, not on top of each other, after a master that was killed.

cron_pool() { # LINES FOR THE CRON SECTION...
	cat <<-EOT
		[pool:work]
		plugin = $PLUGINS/rules.so
		option.file = $DIR/ran
		workers = 2
		[cron:tick]
		pool = work
		schedule = @every 1s
		$(printf '%s\n' "$@")
	EOT
}

# What the file knows of the section; 0: nothing.
noted() { # NAME
	awk -F '\t' -v name="$1" '$1 == name {last = $2} END {print last + 0}' "$DIR/run/cron" 2>/dev/null
}

noted_after() { # NAME SECONDS
	(($(noted "$1") > $2))
}

starts() {
	grep -c '^start' "$DIR/ran" 2>/dev/null
}

test_cron_every_second() { # sanitized
	local begin
	cron_pool "payload = mark" "overlap = queue" | write_ini
	begin=$EPOCHSECONDS
	start_master
	assert_logged "cron tick: \`@every 1s\`, next at 20"
	wait_until 10 has_lines "$DIR/ran" 6
	# A job a second: never more than have come since.
	assert_less $((EPOCHSECONDS - begin + 2)) "$(starts)" "jobs"
	expect 0 ym jobs --json
	assert_contains '"tag": "tick"' "$OUT" "jobs"
	stop_master
}

# A long job: the times that come meanwhile are skipped, and it goes on behind it.
test_cron_overlap_skip() { # sanitized
	local since
	cron_pool "payload = until $DIR/go" "overlap = skip" | write_ini
	start_master
	wait_until 10 has_lines "$DIR/ran" 1
	since=$(noted tick)
	wait_until 10 noted_after tick $((since + 2))
	assert_equal 1 "$(wc -l <"$DIR/ran")" "lines of what ran"
	assert_logged "cron tick: no job for"
	touch "$DIR/go"
	wait_until 10 has_lines "$DIR/ran" 4
	assert_logged "cron tick: goes on after"
	stop_master
}

test_cron_overlap_cancel() {
	cron_pool "payload = asked" "overlap = cancel" | write_ini
	start_master
	wait_until 20 has_lines "$DIR/ran" 7
	# Each was asked to stop, and did, but for the last.
	assert_less 3 $(($(starts) - $(grep -c '^end' "$DIR/ran"))) "jobs that run at once"
	assert_less 2 "$(($(jobs_in_state running) + $(jobs_in_state waiting) - 1))" "jobs that are not over"
	stop_master --now
}

# The times of the section's jobs, by their unique keys.
times() {
	ym jobs --tag tick --json | sed -n 's/.*"unique": "cron:tick:\([0-9]*\)".*/\1/p' | sort -n
}

clock_shows() { # SECONDS
	((EPOCHSECONDS >= $1))
}

# Nobody is there for some seconds: none of the times is lost, and none comes twice.
test_cron_catch_up_all_after_kill() { # sanitized
	local first missed
	cron_pool "payload = mark" "overlap = queue" "catch_up = all" "catch_up_max = 1h" | write_ini
	start_master
	first=$(noted tick)
	wait_until 10 has_lines "$DIR/ran" 2
	slay "$MASTER"
	missed=$(noted tick)
	wait_until 10 clock_shows $((missed + 4))
	start_master
	wait_until 10 noted_after tick $((missed + 5))
	times >"$DIR/times"
	seq "$(head -n 1 "$DIR/times")" "$(tail -n 1 "$DIR/times")" >"$DIR/wanted"
	assert_same_file "$DIR/wanted" "$DIR/times" "times with a job"
	assert_less $((first + 2)) "$(head -n 1 "$DIR/times")" "the first time"
	stop_master
}

# With the default policies nothing is made up for, but the next time is in time.
test_cron_catch_up_none_after_kill() {
	local missed now
	cron_pool "payload = mark" "overlap = queue" "catch_up = none" | sed 's/@every 1s/@every 70s/' | write_ini
	start_master
	stop_master
	# As if the last master had been here for the last time long ago.
	missed=$((EPOCHSECONDS - 700 - 5))
	printf 'yardmaster cron 1\ntick\t%d\t-\t@every 70s\nend 1\n' "$missed" >"$DIR/run/cron"
	start_master
	now=$(noted tick)
	assert_equal 0 $(((now - missed) % 70)) "seconds off the pace"
	assert_equal 700 $((now - missed)) "seconds noted"
	# Five seconds late is in time: one job, not ten.
	wait_until 5 has_lines "$DIR/ran" 2
	assert_equal 1 "$(starts)" "jobs"
	stop_master
}

test_cron_mistakes() {
	cron_pool | sed 's/@every 1s/30 2 31 2 */' | write_ini
	expect 2 "$YARDMASTER" check "$INI"
	assert_contains "never happens" "$ERR$OUT" "a schedule without days"
	cron_pool | sed 's/@every 1s/61 * * * */' | write_ini
	expect 2 "$YARDMASTER" check "$INI"
	assert_contains "field 1 (minute): \`61\`: allowed is" "$ERR$OUT" "a minute"
	cron_pool "timezone = Europe/Bonn" | write_ini
	expect 2 "$YARDMASTER" check "$INI"
	assert_contains "no such time zone \`Europe/Bonn\`" "$ERR$OUT" "a zone"
}

some_are_done() {
	(($(jobs_in_state "done") > 0))
}

test_cron_example() {
	cp -r "$SOURCE/examples/cron" "$DIR/example"
	INI=$DIR/example/cron.ini
	expect 0 "$YARDMASTER" check "$INI"
	sed -i "s|^instance = .*|&\ndirectory = $DIR/run|" "$INI"
	start_master
	wait_until 15 some_are_done
	ym cancel --pool chores >/dev/null
	stop_master --now
}
