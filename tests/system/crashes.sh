# shellcheck shell=bash
# crashes.sh - workers, master, guardian and clients that die in the middle.

one_ledger() { # WORKERS [LINES FOR THE POOL...]
	write_ini <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		workers = $1
		restart_delay = 10ms
		option.file = $DIR/ledger
		$(printf '%s\n' "${@:2}")
	EOF
}

# Pid of the worker that started job ID of the ledger in that attempt.
started_by() { # ID ATTEMPT
	awk -v id="$1" -v attempt="$2" '$1 == id && $2 == attempt {print $3}' "$DIR/ledger" 2>/dev/null
}

done_jobs() {
	grep '^done' "$DIR/ledger" 2>/dev/null | sort -u -k2,2n | wc -l
}

test_worker_killed_in_mid_job() { # sanitized
	local pid
	one_ledger 1
	start_master
	submit ledger "7 400"
	wait_until 5 has_lines "$DIR/ledger" 1
	pid=$(started_by 7 1)
	slay "$pid"
	wait_until 5 is "done" job_state "$JOB"
	assert_equal 2 "$(job_field "$JOB" attempt)" "attempts"
	assert_equal 1 "$(job_field "$JOB" crashes)" "crashes of the job"
	[[ -n $(started_by 7 2) ]] || fail "no second run: $(<"$DIR/ledger")"
	assert_equal 1 "$(grep -c '^done 7 2' "$DIR/ledger")" "ends of the second run"
	wait_until 5 is 1 cell ledger CRASHES
	assert_logged "was killed by signal 9 (Killed)"
}

is_stopped() { # PID
	grep -qs '^State:.T' "/proc/$1/status"
}

# A job whose worker is stopped while it writes the result down: STALLED is the job, STALLER the worker.
stall() {
	write_ini "payload_max = 1kb" <<-EOF
		[pool:stalls]
		plugin = $PLUGINS/stalls.so
		restart_delay = 10ms
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	export LATER=$DIR/later
	LD_PRELOAD=$BUILD/tests/later.so start_master
	submit stalls "$DIR/ends"
	STALLED=$JOB
	wait_until 5 has_lines "$DIR/ends" 1
	STALLER=$(<"$DIR/ends")
	wait_until 5 is_stopped "$STALLER"
	assert_equal finishing "$(job_state "$STALLED")" "state when its worker is stopped"
}

# It is left alone, and a minute later it is killed.
assert_stall_ends() {
	# A sweep makes it ready, and sees the other one.
	submit echo x --delay 10ms
	wait_until 5 is "done" job_state "$JOB"
	assert_lacks SIGKILL "$(<"$LOG")" "log in time"
	: >"$LATER"
	wait_until 10 is "done" job_state "$STALLED"
	wait_until 5 ended "$STALLER"
	assert_logged "the job of worker 0 has ended, but it cannot write that down (is it stopped?): sent it SIGKILL"
	assert_equal 2 "$(job_field "$STALLED" attempt)" "attempts"
	assert_equal 1 "$(job_field "$STALLED" crashes)" "crashes of the job"
	expect 0 ym show "$STALLED"
	assert_contains "its end was not written down in time: worker $STALLER " "$OUT" "story"
}

# No time limit covers what comes behind run(): who is stopped there would keep its job for ever.
test_stopped_behind_the_end_of_a_job() {
	stall
	assert_stall_ends
}

test_stopped_behind_the_end_of_a_job_of_a_dead_master() {
	stall
	slay "$MASTER"
	LD_PRELOAD=$BUILD/tests/later.so start_master
	assert_stall_ends
}

# A dead worker is no member any more before the kernel says how it ended: a sweep may come between.
test_the_cause_is_waited_for() {
	local i
	write_ini <<-EOF
		[pool:crash]
		plugin = $PLUGINS/crash.so
		workers = 2
		attempts = 2
		startsecs = 0
	EOF
	start_master
	for ((i = 0; i < 20; i++)); do
		submit crash slowly
	done
	wait_until 60 is 20 eval 'ym jobs --state failed | grep -c crash'
	for ((i = 1; i <= 20; i++)); do
		expect 0 ym show "$i"
		assert_equal 2 "$(grep -c "^ .*exited with code 9 at 3/7" <<<"${OUT#*attempt 1}")" "causes of job $i"
	done
	wait_until 5 is 40 cell crash CRASHES
}

test_crash_stays_in_its_worker() {
	local how other
	write_ini <<-EOF
		[pool:crash]
		plugin = $PLUGINS/crash.so
		attempts = 2
		startsecs = 0
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	wait_until 5 is 1 eval 'worker_pids echo | wc -l'
	other=$(worker_pids echo)
	for how in "segv/was killed by signal 11 (Segmentation fault)" "abort/was killed by signal 6 (Aborted)" \
		"exit/exited with code 9"; do
		expect 1 ym submit crash "${how%%/*}" --wait
		assert_contains "${how#*/}" "$ERR" "error of a crash by ${how%%/*}"
		assert_contains "at 3/7 about to ${how%%/*}" "$ERR" "how far it had come"
	done
	expect 0 ym submit crash fine --wait
	expect 0 ym submit echo fine --wait
	assert_equal "$other" "$(worker_pids echo)" "the worker of the other pool"
	assert_equal 2 "$(job_field 1 attempt)" "attempts of the first crash"
	wait_until 5 is 6 cell crash CRASHES
}

test_master_killed() { # sanitized
	local old
	one_ledger 2
	start_master
	submit ledger "1 400"
	wait_until 5 has_lines "$DIR/ledger" 1
	old=$(worker_pids ledger)
	slay "$MASTER"
	expect 3 ym status
	assert_contains "NO MASTER" "$OUT" "status without a master"
	submit ledger "2 10"
	assert_contains "no master right now" "$ERR" "submit without a master"
	wait_until 5 is 2 done_jobs
	submit ledger "3 300"
	wait_until 5 has_lines "$DIR/ledger" 5
	start_master
	assert_logged "going on with what was there"
	submit ledger "4 10"
	wait_until 5 is 4 done_jobs
	assert_equal 4 "$(grep -vc '^done' "$DIR/ledger")" "runs of four jobs"
	# The workers of the dead master are those of the new one.
	assert_equal "$old" "$(worker_pids ledger)" "workers"
}

test_master_and_workers_killed_at_once() { # sanitized
	local pids i
	one_ledger 2
	start_master
	for i in 1 2 3 4 5; do
		submit ledger "$i 300"
	done
	wait_until 5 has_lines "$DIR/ledger" 2
	pids=$(worker_pids ledger)
	# shellcheck disable=SC2086 # words on purpose
	slay "$MASTER" $pids
	wait_until 2 is 0 ipc_objects
	assert_equal 1 "$(backlogs)" "backlog files"
	start_master
	assert_logged "5 unfinished jobs"
	assert_equal 0 "$(backlogs)" "backlog files after the start"
	wait_until 5 is 5 done_jobs
	assert_equal 2 "$(awk '!/^done/ && $2 == 2' "$DIR/ledger" | wc -l)" "jobs that had to run again"
}

has_other_guardian() { # PID
	local now
	now=$(guardian_pid)
	[[ -n $now && $now != "$1" ]]
}

test_guardian_is_replaced() {
	local first pids
	one_ledger 1
	start_master
	first=$(guardian_pid)
	[[ -n $first ]] || fail "no guardian: $(ym ipc ls)"
	slay "$first"
	wait_until 5 has_other_guardian "$first"
	assert_logged "the guardian (pid $first) was killed by signal 9 (Killed): starting another"
	pids=$(worker_pids ledger)
	# shellcheck disable=SC2086
	slay "$MASTER" $pids
	wait_until 2 is 0 ipc_objects
}

test_everything_killed() { # sanitized
	local i pids guardian
	one_ledger 2
	start_master
	for i in 1 2 3 4; do
		submit ledger "$i 200"
	done
	wait_until 5 has_lines "$DIR/ledger" 2
	guardian=$(guardian_pid)
	pids=$(worker_pids ledger)
	# shellcheck disable=SC2086
	slay "$MASTER" "$guardian" $pids
	(($(ipc_objects) > 0)) || fail "somebody removed the objects: this test shows nothing"
	expect 3 ym status
	start_master
	wait_until 5 is 4 done_jobs
	[[ -n $(guardian_pid) ]] || fail "no guardian after the repair"
}

test_waiting_client_killed() { # sanitized
	local i
	one_ledger 1
	start_master
	for i in 1 2 3; do
		ym_background submit ledger "$i 150" --wait
		wait_until 5 is "$i" eval 'ym jobs --json | wc -l'
		wait_until 5 client_is_in
		slay "$CLIENT"
	done
	wait_until 5 is 3 done_jobs
	wait_until 5 nobody_is_left
	expect 0 ym submit ledger "4 0" --wait
}

test_client_killed_before_the_job_was_accepted() {
	one_ledger 1
	mkfifo "$DIR/pipe"
	start_master
	exec 5<>"$DIR/pipe"
	ym_background submit ledger - <"$DIR/pipe"
	wait_until 5 client_is_in
	slay "$CLIENT"
	exec 5>&-
	assert_equal 0 "$(ym jobs --json | wc -l)" "jobs of a client that submitted none"
	wait_until 5 nobody_is_left
}

# The workers go on with what they have attached; at the stop nothing is lost.
test_table_removed_by_hand() {
	one_ledger 1
	start_master
	submit ledger "1 200"
	submit ledger "2 1"
	wait_until 5 has_lines "$DIR/ledger" 1
	ipcrm -m "$(ym ipc ls | awk '$2 == "table" {print $4}')" || fail "ipcrm -m: exit code $?"
	stop_master --now
	assert_equal 1 "$(backlogs)" "backlog files"
	start_master
	wait_until 5 grep -q '^done 2 ' "$DIR/ledger"
}
