# shellcheck shell=bash
# store_death.sh - a store of SQLite, and the death of everybody around it; disks that are full, files that are wrong.
#
# STORE_ROUNDS=N: as many rounds of the tests that kill at random instants; else a few.

STORE=$DIR/store/jobs.db
ROUNDS=${STORE_ROUNDS:-4}

ledger_ini() {
	mkdir -p "${STORE%/*}"
	write_ini "store = sqlite:$STORE" "jobs = 256" <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		workers = 2
		attempts = 50
		crashes = 50
		restart_delay = 10ms
		option.file = $DIR/ledger
	EOF
	touch "$DIR/ledger" "$DIR/acked"
}

sql() { # STATEMENT
	sqlite3 -readonly "$STORE" "$1"
}

FIRST=0 # number of the submitter that was started last

# ---- submitters ----------------------------------------------------------------------------------------------------

# In the background: jobs NUMBER*100000 and up, one by one and by dozens, until $DIR/enough is there. What was acknowledged
# stands in $DIR/acked: "NUMBER ID".
submit_on() { # NUMBER
	local next=$(($1 * 100000)) some ids
	while [[ ! -e $DIR/enough ]]; do
		some=$((RANDOM % 3 ? 1 : 12))
		if ids=$(seq "$next" $((next + some - 1)) | sed 's/$/ 0/' |
			"$YARDMASTER" submit -c "$INI" ledger --lines 2>>"$DIR/submit.err"); then
			paste -d' ' <(seq "$next" $((next + some - 1))) - <<<"$ids" >>"$DIR/acked"
		fi
		next=$((next + some))
	done
}

start_submitters() { # NUMBER OF THEM
	local i
	SUBMITTERS=()
	rm -f "$DIR/enough"
	for ((i = 0; i < $1; i++)); do
		FIRST=$((FIRST + 1))
		submit_on "$FIRST" &
		SUBMITTERS+=($!)
	done
}

end_submitters() {
	touch "$DIR/enough"
	wait "${SUBMITTERS[@]}"
}

acked_more_than() { # NUMBER
	(($(wc -l <"$DIR/acked") > $1))
}

nap() { # MS AT MOST
	sleep "0.$(printf '%03d' $((RANDOM % $1)))"
}

done_numbers() {
	awk '$1 == "done" {print $2}' "$DIR/ledger" | sort -u
}

# Every job that was acknowledged is in the store, under its number.
assert_all_stored() { # ROUND
	local missing
	missing=$(awk '{print $2}' "$DIR/acked" | sort | comm -23 - <(sql 'SELECT id FROM jobs' | sort) | wc -l)
	assert_equal 0 "$missing" "jobs of $(wc -l <"$DIR/acked") that were acknowledged and are not in the store ($1)"
	assert_equal "" "$(awk '{print $2}' "$DIR/acked" | sort | uniq -d)" "ids given twice ($1)"
}

nothing_is_open() {
	[[ $(sql "SELECT count(*) FROM jobs WHERE state IN ('waiting', 'delayed', 'running')") == 0 ]]
}

assert_all_done() { # SECONDS
	wait_until "$1" nothing_is_open
	assert_all_stored "in the end"
	assert_equal 0 "$(awk '{print $1}' "$DIR/acked" | sort | comm -23 - <(done_numbers) | wc -l)" \
		"acknowledged jobs that have not run"
	assert_equal ok "$(sql 'PRAGMA integrity_check')" "the database"
}

# No process died that a job was with: each ran once.
assert_ran_once() {
	assert_equal "" "$(awk '$1 != "done" && $1 != "back" {print $1}' "$DIR/ledger" | sort | uniq -d | head -5)" \
		"jobs that ran twice"
}

# Everybody: the master, guardian, workers, clients. Not the loops of submitters, which are shells.
everybody() {
	local exe
	for exe in /proc/[0-9]*/exe; do
		[[ $(readlink "$exe") != "$(realpath "$YARDMASTER")"* ]] || basename "${exe%/exe}"
	done
}

# Also those that somebody has started while he was not dead yet. No submitter is to start another client.
kill_everybody() {
	local pids
	touch "$DIR/enough"
	while mapfile -t pids < <(everybody) && ((${#pids[@]} > 0)); do
		kill -KILL "${pids[@]}" 2>/dev/null
		sleep 0.01
	done
	wait "$MASTER" 2>/dev/null
	MASTER=
	wait "${SUBMITTERS[@]}"
	wait_until 5 is "" everybody
}

remove_objects() {
	ipcrm --all 2>"$DIR/ipcrm"
}

# ---- starts and stops in order -----------------------------------------------------------------------------------------

test_restart_keeps_everything() { # sanitized
	local far flaky
	mkdir -p "${STORE%/*}"
	write_ini "store = sqlite:$STORE" "jobs = 64" <<-EOF
		[pool:order]
		plugin = $PLUGINS/order.so
		option.file = $DIR/order
		autostart = no
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		attempts = 3
		backoff = 300ms
		[pool:bury]
		plugin = $PLUGINS/flaky.so
		attempts = 1
		on_fail = bury
	EOF
	start_master
	submit bury 9
	wait_until 5 is 1 cell bury BURIED
	seq 500 | ym submit order --lines --quiet >/dev/null
	submit order far --delay 1h --tag later --priority 2
	far=$JOB
	submit flaky 2 --keep
	flaky=$JOB
	wait_until 5 is 1 job_field "$flaky" attempt
	stop_master
	assert_logged "unfinished jobs kept for the next start: 503"
	assert_equal "0|500" "$(sql "SELECT max(held), count(*) FROM jobs WHERE state = 'waiting' AND pool = 'order'")" \
		"what waits while nobody runs"
	assert_equal 0 "$(ipc_objects)" "objects"
	rm -rf "${DIR:?}/run"
	start_master
	assert_equal 500 "$(cell order WAITING)" "waiting jobs"
	assert_equal 1 "$(cell order DELAYED)" "delayed jobs"
	expect 0 ym wait "$flaky" --wait-timeout 10s
	assert_equal 3 "$OUT" "attempt that succeeded"
	assert_equal 1 "$(cell bury BURIED)" "buried jobs"
	expect 0 ym start order
	wait_until 10 has_lines "$DIR/order" 500
	assert_equal "" "$(awk '{print $2}' "$DIR/order" | diff - <(seq 500) | head -5)" "jobs out of order"
	assert_equal "delayed|later|2" "$(sql "SELECT state, tag, priority FROM jobs WHERE id = $far")" "the delayed one"
	expect 0 ym kick "$far"
	wait_until 5 has_lines "$DIR/order" 501
	submit order new
	((JOB > far)) || fail "the ids begin again: $JOB"
}

test_upgrade_under_load() { # sanitized
	local i master
	ledger_ini
	start_master
	master=$MASTER
	start_submitters 2
	for i in 1 2 3; do
		nap 300
		expect 0 ym upgrade
	done
	end_submitters
	assert_equal "$master" "$MASTER" "the master"
	assert_all_done 20
	assert_ran_once
	assert_equal "" "$(sort "$DIR/submit.err" | uniq -c | head -5)" "what submitters were told"
}

test_reload_under_load() {
	local i
	ledger_ini
	start_master
	start_submitters 2
	for i in 1 2 3 4; do
		nap 200
		sed -i "s/^restart_delay.*/restart_delay = ${i}0ms/" "$INI"
		expect 0 ym reload
	done
	end_submitters
	assert_all_done 20
	assert_ran_once
}

# ---- deaths ------------------------------------------------------------------------------------------------------------

# The workers live on, and what they do meanwhile is written down by the next master. Submitters wait for him.
test_master_killed_under_load() { # sanitized
	local i before
	ledger_ini
	start_master
	start_submitters 3
	for ((i = 0; i < ROUNDS; i++)); do
		before=$(wc -l <"$DIR/acked")
		wait_until 10 acked_more_than $((before + 20))
		nap 100
		slay "$MASTER"
		nap 100
		: >"$LOG"
		start_master
	done
	end_submitters
	assert_all_done 20
	assert_ran_once
	assert_equal "" "$(grep -v 'no master right now' "$DIR/submit.err" | sort | uniq -c | head -5)" \
		"what submitters were told"
}

test_master_killed_while_submitters_wait() {
	local i pids=()
	ledger_ini
	start_master
	kill -STOP "$MASTER"
	for ((i = 1; i <= 50; i++)); do
		ym_background submit ledger "$i 0" >"$DIR/id.$i" 2>>"$DIR/submit.err"
		pids+=("$CLIENT")
	done
	wait_until 10 is 50 eval "ym ipc ls | grep -c 'client .*alive'"
	slay "$MASTER"
	: >"$LOG"
	start_master
	for ((i = 1; i <= 50; i++)); do
		wait "${pids[i - 1]}" || fail "submitter $i: exit code $?: $(<"$DIR/submit.err")"
		echo "$i $(<"$DIR/id.$i")" >>"$DIR/acked"
	done
	assert_all_done 10
	assert_ran_once
}

# What runs while there is no master, and what ends then, is recorded by the next one.
test_jobs_end_while_there_is_no_master() {
	ledger_ini
	start_master
	submit ledger "1 300"
	submit ledger "2 300"
	wait_until 5 has_lines "$DIR/ledger" 2
	slay "$MASTER"
	wait_until 5 has_lines "$DIR/ledger" 4
	: >"$LOG"
	start_master
	wait_until 5 is "done|2" sql "SELECT state, count(*) FROM jobs GROUP BY state"
	assert_ran_once
}

# Nobody is left who knows anything; the objects lie about.
test_everything_killed_under_load() { # sanitized
	local i
	ledger_ini
	for ((i = 0; i < ROUNDS; i++)); do
		: >"$LOG"
		start_master
		start_submitters 2
		wait_until 10 acked_more_than "$(wc -l <"$DIR/acked")"
		nap 400
		kill_everybody
		assert_all_stored "round $i"
	done
	: >"$LOG"
	start_master
	assert_all_done 20
}

# The objects are removed by hand: they are made anew, and the jobs come back from the store.
test_objects_removed_under_load() {
	ledger_ini
	start_master
	start_submitters 2
	wait_until 10 acked_more_than 50
	remove_objects
	wait_until 10 logged "anew"
	wait_until 10 acked_more_than $(($(wc -l <"$DIR/acked") + 20))
	end_submitters
	assert_all_done 20
}

# What is in the files at some instant is all that a machine has after it was reset: the objects and the directory of the
# instance are gone.
test_machine_reset() {
	local i pids pid
	ledger_ini
	for ((i = 0; i < 2 * ROUNDS; i++)); do
		: >"$LOG"
		start_master
		start_submitters 2
		wait_until 10 acked_more_than "$(wc -l <"$DIR/acked")"
		nap 400
		mapfile -t pids < <(everybody)
		for pid in "${pids[@]}"; do
			kill -STOP "$pid" 2>/dev/null
		done
		touch "$DIR/enough"
		# First the log: what is written into the file later is in it, too.
		cp "$DIR/acked" "$DIR/acked.then"
		mkdir "$DIR/copy"
		cp "$STORE" "$STORE-wal" "$DIR/copy"
		kill_everybody
		remove_objects
		rm -rf "${DIR:?}/run" "${STORE%/*}"
		mv "$DIR/copy" "${STORE%/*}"
		mv "$DIR/acked.then" "$DIR/acked"
		assert_all_stored "round $i"
	done
	: >"$LOG"
	start_master
	assert_all_done 20
}

# A submitter that is killed before it was told: its job is stored or it is not, and its slot is free again.
test_submitter_killed_while_it_waits() { # sanitized
	local i
	ledger_ini
	start_master
	for ((i = 1; i <= 10; i++)); do
		kill -STOP "$MASTER"
		ym_background submit ledger "$i 0" >/dev/null 2>&1
		wait_until 5 client_is_in
		nap 30
		slay "$CLIENT"
		kill -CONT "$MASTER"
	done
	wait_until 10 nobody_is_left
	wait_until 10 nothing_is_open
	assert_ran_once
	# All slots are there: as many jobs as fit at once.
	seq 1001 1400 | sed 's/$/ 0/' | ym submit ledger --lines --quiet >/dev/null || fail "submit of 400: exit code $?"
	wait_until 10 nothing_is_open
	assert_equal 400 "$(done_numbers | grep -c '^1[0-9][0-9][0-9]$')" "jobs that ran"
	assert_equal 0 "$(jobs_in_state storing)" "slots that are still on their way"
}

# The master stands still for a while: who submits waits, and goes on.
test_master_stopped_for_a_while() {
	ledger_ini
	start_master
	kill -STOP "$MASTER"
	ym_background submit ledger "1 0" >"$DIR/id"
	sleep 1.5
	assert_equal "" "$(<"$DIR/id")" "answer while the master is stopped"
	kill -CONT "$MASTER"
	wait "$CLIENT"
	assert_equal 0 $? "exit code of the submitter"
	wait_until 5 is "done" stored_state "$(<"$DIR/id")"
}

stored_state() { # ID
	sql "SELECT state FROM jobs WHERE id = $1"
}

test_submit_without_a_master() {
	local start
	ledger_ini
	start_master
	slay "$MASTER"
	start=$(now_ms)
	expect 3 ym submit ledger "1 0" --patience 1s
	assert_contains "no master that could write to its store: nothing was done" "$ERR" "what the submitter is told"
	assert_contains "no master right now" "$ERR" "what it is told at once"
	assert_less 4000 $(($(now_ms) - start)) "time until it is told"
	: >"$LOG"
	start_master
	wait_until 5 nobody_is_left
	assert_equal 0 "$(sql "SELECT count(*) FROM jobs")" "jobs in the store"
	assert_equal 0 "$(wc -l <"$DIR/ledger")" "runs"
}

# ---- what a process has open ---------------------------------------------------------------------------------------------

has_store_open() { # PID
	find "/proc/$1/fd" "/proc/$1/map_files" -lname "${STORE%/*}/*" 2>/dev/null | grep -q .
}

assert_only_the_master_has_it() { # WHEN
	local pid
	has_store_open "$MASTER" || fail "$1: the master has the database not open"
	for pid in $(everybody) $(pgrep -x sleep); do
		[[ $pid == "$MASTER" ]] || ! has_store_open "$pid" || fail "$1: process $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline")) has it open"
	done
}

test_nobody_inherits_the_database() {
	mkdir -p "${STORE%/*}"
	write_ini "store = sqlite:$STORE" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		[pool:nap]
		command = sleep 100
		[program:idle]
		command = sleep 100
	EOF
	start_master
	submit nap x
	wait_until 5 is running job_state "$JOB"
	assert_only_the_master_has_it "at first"
	expect 0 ym upgrade
	wait_until 5 logged "is up" 2
	expect 0 ym submit echo x --wait
	expect 0 ym scale echo 3
	wait_until 5 is 3 eval 'worker_pids echo | wc -l'
	assert_only_the_master_has_it "after an upgrade"
	stop_master --now
}

# ---- what is on the disk ---------------------------------------------------------------------------------------------------

# Calls of fdatasync() and fsync() of the master while so many jobs are submitted, one after the other.
syncs_of() { # POOL JOBS
	local tracer i
	strace -f -e trace=fdatasync,fsync -o "$DIR/trace" -p "$MASTER" 2>"$DIR/strace" &
	tracer=$!
	wait_until 5 grep -q attached "$DIR/strace"
	for ((i = 0; i < $2; i++)); do
		submit "$1" x --delay 1h
	done
	kill "$tracer"
	wait "$tracer"
	SYNCS=$(grep -cE '(fdatasync|fsync)\(' "$DIR/trace")
}

test_acknowledged_when_it_is_on_the_disk() {
	command -v strace >/dev/null || skip "no strace"
	mkdir -p "${STORE%/*}"
	write_ini "store = sqlite:$STORE" <<-EOF
		[pool:full]
		plugin = $PLUGINS/echo.so
		[pool:quick]
		plugin = $PLUGINS/echo.so
		synchronous = normal
	EOF
	start_master
	syncs_of full 20
	((SYNCS >= 20)) || fail "20 submissions with synchronous = full: $SYNCS syncs"
	syncs_of quick 20
	assert_less 5 "$SYNCS" "syncs for 20 submissions with synchronous = normal"
}

# ---- disks and files that are not as they should be ------------------------------------------------------------------------

# A disk of its own for the store.
small_disk() { # SIZE
	mkdir -p "${STORE%/*}"
	mount -t tmpfs -o "size=$1" none "${STORE%/*}" || skip "no tmpfs can be mounted here"
}

# Leave no room, neither on the disk nor in files that are there.
fill_disk() {
	head -c 8000000 /dev/zero >"${STORE%/*}/fat" 2>/dev/null
	while ym submit ledger x --delay 1h --quiet >"$DIR/refused" 2>&1; do
		:
	done
}

in_trouble() {
	ym status | grep -q "^store .*: in trouble"
}

is_working() {
	ym status | grep -q "^store .*: working"
}

test_full_disk() { # sanitized
	local start said
	small_disk 2m
	ledger_ini
	start_master
	submit ledger "1 1500"
	submit ledger "2 0" --delay 1h
	wait_until 5 has_lines "$DIR/ledger" 1
	fill_disk
	assert_contains "full" "$(<"$DIR/refused")" "what the submitter is told"
	start=$(now_ms)
	expect 1 ym submit ledger "3 0" --delay 1h
	assert_less 3000 $(($(now_ms) - start)) "time until it was refused"
	in_trouble || fail "the trouble is not in the status: $(ym status)"
	expect 1 ym status --json
	assert_contains '"state": "in trouble"' "$OUT" "the status as JSON"
	# What runs goes on, and ends.
	wait_until 5 has_lines "$DIR/ledger" 2
	said=$(grep -c ' store: ' "$LOG")
	sleep 1.2
	assert_equal "$said" "$(grep -c ' store: ' "$LOG")" "lines in the log about it: $(grep store: "$LOG")"
	rm "${STORE%/*}/fat"
	wait_until 5 is_working
	wait_until 5 is "done" stored_state 1
	assert_logged "it works again"
	submit ledger "4 0"
	wait_until 5 is "done" stored_state "$JOB"
	assert_equal 1 "$(sql "SELECT count(*) FROM jobs WHERE id = $JOB")" "jobs"
	stop_master
	umount "${STORE%/*}"
}

# Full again and again under load: nothing that was acknowledged is lost.
test_full_disk_under_load() {
	local i
	small_disk 3m
	ledger_ini
	start_master
	start_submitters 2
	for ((i = 0; i < ROUNDS; i++)); do
		nap 300
		head -c 4000000 /dev/zero >"${STORE%/*}/fat" 2>/dev/null
		nap 600
		rm "${STORE%/*}/fat"
	done
	end_submitters
	wait_until 10 is_working
	assert_all_done 20
	assert_ran_once
	stop_master
	umount "${STORE%/*}"
}

# A stop while nothing can be written: the jobs are as they were, and one that has ended meanwhile runs again.
test_stop_with_a_full_disk() {
	small_disk 2m
	ledger_ini
	start_master
	submit ledger "1 1500"
	submit ledger "2 0" --delay 1h
	wait_until 5 has_lines "$DIR/ledger" 1
	fill_disk
	stop_master
	assert_logged "not everything could be written"
	rm "${STORE%/*}/fat"
	start_master
	wait_until 5 is "done" stored_state 1
	assert_equal delayed "$(stored_state 2)" "the delayed job"
	stop_master
	umount "${STORE%/*}"
}

# The master does not start, says why, and leaves nothing.
assert_no_start() { # EXIT CODE, PART OF THE MESSAGE
	: >"$LOG"
	launch_master
	wait "$MASTER"
	assert_equal "$1" $? "exit code of the master: $(<"$LOG")"
	MASTER=
	assert_logged "$2"
	assert_equal 1 "$(wc -l <"$LOG")" "lines about it: $(<"$LOG")"
	wait_until 5 is 0 ipc_objects
}

test_no_start_without_a_store() {
	ledger_ini
	rm -rf "${STORE%/*}"
	assert_no_start 2 "$STORE"
	mkdir -p "$STORE"
	assert_no_start 2 "$STORE"
	rmdir "$STORE"
	head -c 10000 /dev/urandom >"$STORE"
	assert_no_start 4 "no SQLite database"
	echo "some notes" >"$STORE"
	assert_no_start 4 "no SQLite database"
	: >"$STORE"
	start_master
	stop_master
	sqlite3 "$STORE" "PRAGMA user_version = 99" || fail "no sqlite3"
	assert_no_start 2 "newer"
	rm "$STORE"*
	sqlite3 "$STORE" "CREATE TABLE customers (name)"
	assert_no_start 4 "another program"
	rm "$STORE"*
	mount -t tmpfs -o ro none "${STORE%/*}" || skip "no tmpfs can be mounted here"
	assert_no_start 4 "mounted read-only"
	umount "${STORE%/*}"
}

# Two instances with the same file.
test_no_second_master_on_the_file() {
	ledger_ini
	start_master
	sed 's/^instance = test/instance = other/; s,/run$,/run2,' "$INI" >"$DIR/other.ini"
	"$YARDMASTER" run "$DIR/other.ini" >"$DIR/other.log" 2>&1
	assert_equal 4 $? "exit code of the second master: $(<"$DIR/other.log")"
	assert_contains "$STORE" "$(<"$DIR/other.log")" "what it says"
	expect 0 ym submit ledger "1 0" --wait
}

# Somebody removes the file, or puts another in its place, under the running master: what is acknowledged from then on
# must be in the file that the next one finds.
test_file_removed_under_the_master() {
	ledger_ini
	start_master
	expect 0 ym submit ledger "1 0" --wait
	mv "$STORE" "$STORE.away"
	expect 3 ym submit ledger "2 0"
	assert_contains "removed or replaced" "$ERR" "what the submitter is told"
	in_trouble || fail "the trouble is not in the status: $(ym status)"
	mv "$STORE.away" "$STORE"
	submit ledger "3 0"
	wait_until 5 is "done" stored_state "$JOB"
	assert_equal 2 "$(sql "SELECT count(*) FROM jobs")" "jobs in the file"
}

# ---- many ------------------------------------------------------------------------------------------------------------------

# Memory of the master that is not shared, in KiB.
own_memory() {
	awk '$1 == "RssAnon:" {print $2}' "/proc/$MASTER/status"
}

# What SQLite keeps of the file in memory has its full size from some 20 MB on.
test_memory_is_flat() {
	local few many jobs=${STORE_JOBS:-60000}
	ledger_ini
	start_master
	expect 0 ym pause ledger
	seq 1 60000 | sed "s/\$/ 0 $(printf '%0300d' 0)/" | ym submit ledger --lines --quiet >/dev/null
	few=$(own_memory)
	seq 60001 $((60000 + jobs)) | sed "s/\$/ 0 $(printf '%0300d' 0)/" | ym submit ledger --lines --quiet >/dev/null
	wait_until 10 is $((60000 + jobs)) cell ledger WAITING
	many=$(own_memory)
	assert_less $((few + 2048)) "$many" "KiB of the master with $((60000 + jobs)) waiting jobs ($few with 60000)"
	slay "$MASTER"
	: >"$LOG"
	start_master
	wait_until 10 is $((60000 + jobs)) cell ledger WAITING
	assert_less $((few + 2048)) "$(own_memory)" "KiB of the next master"
}
