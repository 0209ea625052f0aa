# shellcheck shell=bash
# store_cron.sh - jobs at certain times, and jobs of an earlier run, with a store behind the table.

. "${BASH_SOURCE[0]%/*}/cron_lib.sh"
STORE="store = sqlite:$DIR/jobs.db"

not_over() {
	echo $(($(jobs_in_state running) + $(jobs_in_state waiting) + $(jobs_in_state delayed)))
}

test_store_cron_every_second() {
	a_job_every_second
}

test_store_cron_overlap_skip() {
	overlap_skip
}

test_store_cron_overlap_cancel() {
	overlap_cancel
}

test_store_cron_catch_up_all_after_kill() {
	catch_up_all_after_kill
}

# None of them is in the table of the next master: he knows the number of the last one.
test_store_cron_cancel_after_restart() {
	local since
	write_cron_ini "payload = mark" "overlap = cancel"
	start_master
	expect 0 ym pause work
	wait_until 10 noted_after tick "$EPOCHSECONDS"
	stop_master
	assert_less 2 "$(grep -c "end" "$DIR/ran" 2>/dev/null)" "jobs that ran"
	start_master
	expect 0 ym pause work
	since=$(noted tick)
	wait_until 10 noted_after tick $((since + 1))
	wait_until 10 is 1 not_over
	stop_master
}

# ---- a backlog ---------------------------------------------------------------------------------------------------

ledger_pool() {
	cat <<-EOT
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
	EOT
}

numbers() {
	cut -d' ' -f1 "$DIR/ledger" | grep -x '[0-9]*' | sort -n
}

make_backlog() { # NUMBER
	ledger_pool | write_ini "jobs = 8192"
	start_master
	expect 0 ym pause ledger
	seq "$1" | sed 's/$/ 0/' >"$DIR/lines"
	ym submit ledger --lines <"$DIR/lines" >/dev/null || fail "submit --lines"
	stop_master
	assert_equal 1 "$(backlogs)" "files with unfinished jobs"
}

# Jobs of the table go into the store, many with one commit; each once, in order.
test_store_takes_the_backlog() {
	local before
	make_backlog 3000
	ledger_pool | write_ini "$STORE" "jobs = 8192"
	before=$(now_ms)
	start_master
	assert_less 5000 $(($(now_ms) - before)) "milliseconds for 3000 jobs"
	assert_equal 0 "$(backlogs)" "files with unfinished jobs"
	assert_logged "3000 unfinished jobs of an earlier run taken in"
	wait_until 30 has_lines "$DIR/ledger" 3000
	stop_master
	seq 3000 >"$DIR/wanted"
	numbers >"$DIR/ran2"
	assert_same_file "$DIR/wanted" "$DIR/ran2" "jobs that ran"
}

jobs_in_store() {
	python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM job").fetchone()[0])' \
		"$DIR/jobs.db"
}

# Killed at any moment while it takes them in: none is lost, none comes twice.
test_store_backlog_and_kills() {
	local i
	python3 -c 'import sqlite3' 2>/dev/null || skip "no sqlite3 module of Python"
	make_backlog 3000
	ledger_pool | write_ini "$STORE" "jobs = 8192"
	for ((i = 0; i < 12 && $(backlogs) > 0; i++)); do
		launch_master
		sleep "0.0$((2 + RANDOM % 7))"
		# shellcheck disable=SC2046 # perhaps there is none yet
		slay "$MASTER" $(guardian_pid 2>/dev/null)
		[[ $((i % 2)) == 0 ]] || ipcrm --all
	done
	start_master
	wait_until 30 has_lines "$DIR/ledger" 3000
	wait_until 30 is 0 backlogs
	wait_until 30 is 0 not_over
	stop_master
	# What ran when all were killed runs again; what was taken in twice would be a job more.
	assert_equal 3000 "$(jobs_in_store)" "jobs in the store"
	seq 3000 >"$DIR/wanted"
	numbers | uniq >"$DIR/ran2"
	assert_same_file "$DIR/wanted" "$DIR/ran2" "jobs that ran"
}
