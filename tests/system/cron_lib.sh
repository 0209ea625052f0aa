# shellcheck shell=bash
# cron_lib.sh - what the tests of cron sections share. Sourced by tests; STORE is a line for [yardmaster], if there is a store.

STORE=

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

write_cron_ini() { # LINES FOR THE CRON SECTION...
	cron_pool "$@" | write_ini ${STORE:+"$STORE"}
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

# The times of the section's jobs, by their unique keys.
times() {
	ym jobs --tag tick --json | sed -n 's/.*"unique": "cron:tick:\([0-9]*\)".*/\1/p' | sort -n
}

clock_shows() { # SECONDS
	((EPOCHSECONDS >= $1))
}

# ---- tests of every store ----------------------------------------------------------------------------------------

a_job_every_second() {
	local begin
	write_cron_ini "payload = mark" "overlap = queue"
	begin=$EPOCHSECONDS
	start_master
	assert_logged "cron tick: \`@every 1s\`, next at 20"
	wait_until 10 has_lines "$DIR/ran" 6
	# Never more than have come since.
	assert_less $((EPOCHSECONDS - begin + 2)) "$(starts)" "jobs"
	expect 0 ym jobs --json
	assert_contains '"tag": "tick"' "$OUT" "jobs"
	stop_master
}

# A long job: the times that come meanwhile are skipped, and it goes on behind it.
overlap_skip() {
	local since
	write_cron_ini "payload = until $DIR/go" "overlap = skip"
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

# Each is asked to stop, and does, but for the last.
overlap_cancel() {
	write_cron_ini "payload = asked" "overlap = cancel"
	start_master
	wait_until 20 has_lines "$DIR/ran" 7
	assert_less 3 $(($(starts) - $(grep -c '^end' "$DIR/ran"))) "jobs that run at once"
	assert_less 2 "$(($(jobs_in_state running) + $(jobs_in_state waiting) - 1))" "jobs that are not over"
	stop_master --now
}

# Nobody is there for some seconds: none of the times is lost, and none comes twice.
catch_up_all_after_kill() {
	local first missed
	write_cron_ini "payload = mark" "overlap = queue" "catch_up = all" "catch_up_max = 1h"
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
