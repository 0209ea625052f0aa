# shellcheck shell=bash
# cron.sh - jobs at certain times: in time, not on top of each other, after a master that was killed.

. "${BASH_SOURCE[0]%/*}/cron_lib.sh"

test_cron_every_second() { # sanitized
	a_job_every_second
}

test_cron_overlap_skip() { # sanitized
	overlap_skip
}

test_cron_overlap_cancel() {
	overlap_cancel
}

test_cron_catch_up_all_after_kill() { # sanitized
	catch_up_all_after_kill
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
