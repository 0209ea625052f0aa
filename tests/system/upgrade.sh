# shellcheck shell=bash
# upgrade.sh - another program in the master's place: the same pid, the same children, nothing lost on the way.

# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/load.sh"
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/service.sh"

# The program file of this test: it is replaced while it runs.
own_program() {
	mkdir "$DIR/bin"
	cp "$YARDMASTER" "$DIR/bin/yardmaster"
	YARDMASTER=$DIR/bin/yardmaster
}

# As a package manager does it: another file under the same name.
install_program() { # FILE
	cp "$1" "$DIR/bin/new"
	chmod +x "$DIR/bin/new"
	mv "$DIR/bin/new" "$DIR/bin/yardmaster"
}

pause() { # UP TO MILLISECONDS
	sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}

upgrade() {
	expect 0 ym upgrade --wait
	assert_contains "runs (master pid $MASTER," "$OUT" "upgrade --wait"
}

# In the background; what it says is of no interest.
upgrade_meanwhile() {
	"$YARDMASTER" upgrade -c "$INI" >/dev/null 2>&1 &
	CLIENT=$!
}

program_field() { # NAME COLUMN
	ym status | awk -v name="$1" -v column="$2" '$1 == "PROGRAM" {on = 1} on && $1 == name {print $column; exit}'
}

zombies() {
	ps --no-headers -o stat --ppid "$MASTER" | awk '/^Z/ {n++} END {print n + 0}'
}

# ---- everything at once -----------------------------------------------------------------------------------------------

test_30_upgrades_under_load() {
	local workers programs i file
	own_program
	load_ini
	start_load
	workers=$(load_workers)
	programs=$(program_pids)
	start_feeding
	for ((i = 0; i < 30; i++)); do
		((i % 2)) || install_program "$BUILD/yardmaster"
		upgrade
		pause 200
	done
	end_feeding
	assert_equal "$workers" "$(load_workers)" "workers"
	assert_equal "$programs" "$(program_pids)" "processes of programs"
	assert_equal 3 "$(wc -l <"$DIR/starts")" "starts of programs"
	assert_not_doubled
	for file in "$DIR"/{tick_0,tick_1,other}.out; do
		(($(last_line "$file") > 1000)) || fail "$file has $(last_line "$file") lines: this test shows nothing"
		assert_lines_in_order "$file"
	done
	assert_equal 0 "$(zombies)" "zombies"
	assert_equal 0 "$(cell units USED)" "units in use"
	assert_equal 30 "$(grep -c 'goes on where the program before it was' "$LOG")" "upgrades in the log"
}

test_100_upgrades_leave_nothing_behind() {
	local i files before memory
	write_tasks
	write_ini <<-INI
		[pool:plain]
		plugin = $PLUGINS/ledger.so
		option.file = $LEDGER
		workers = 2
		inbox = yes
		[program:tick]
		command = /usr/bin/perl $DIR/ticker tick $DIR/starts $DIR/lock
		redirect_stderr = false
		ready = delay:10ms
		stdout_logfile = $DIR/tick.out
	INI
	start_master
	wait_until 5 has_lines "$DIR/tick.out" 10
	for i in 1 2 3; do
		upgrade
	done
	files=$(open_files)
	memory=$(resident_kib)
	for ((i = 0; i < 100; i++)); do
		upgrade
	done
	wait_until 5 is "$files" open_files
	before=$memory memory=$(resident_kib)
	assert_less $((before + 1024)) "$memory" "KiB of memory after 100 more upgrades, $before KiB before"
	assert_equal 0 "$(zombies)" "zombies"
	assert_equal "" "$(tr '\0' '\n' <"/proc/$(worker_pids plain | head -n 1)/environ" | grep HANDOVER)" "environment of a worker"
	assert_lines_in_order "$DIR/tick.out"
}

# What they are, without their numbers: sockets and pipes have other ones each time.
open_files() {
	find "/proc/$MASTER/fd" -type l -printf '%l\n' | sed 's/[0-9]*\]$//' | sort | uniq -c
}

resident_kib() {
	awk '$1 == "VmRSS:" {print $2}' "/proc/$MASTER/status"
}

# ---- programs that do not fit -----------------------------------------------------------------------------------------

# A program that does as it is told, and all else as the real one.
pretend() { # PATTERN OF THE ARGUMENTS, LINES...
	printf '%s\n' '#!/bin/sh' "case \"\$*\" in" "$1)" "${@:2}" ';;' 'esac' "exec $BUILD/yardmaster \"\$@\"" >"$DIR/pretender"
	install_program "$DIR/pretender"
}

refused() { # WHAT IT SAYS
	expect "${2:-1}" "$BUILD/yardmaster" upgrade -c "$INI"
	assert_contains "no upgrade, this program goes on" "$ERR" "refused upgrade"
	assert_contains "$1" "$ERR" "reason"
	expect 0 "$BUILD/yardmaster" submit -c "$INI" ledger "$((++JOBS)) 0" --wait
	assert_equal "$before" "$(worker_pids ledger)" "workers"
}

test_programs_that_do_not_fit() { # sanitized
	local before JOBS=0
	own_program
	service_ini "workers = 2"
	start_master
	YARDMASTER=$BUILD/yardmaster
	wait_until 5 is 2 eval 'worker_pids ledger | wc -l'
	before=$(worker_pids ledger)
	pretend "worker\\ --layout" 'echo "table 9999 board 1 registry 1 handover 1"' 'exit 0'
	refused "lays out the shared memory differently"
	pretend "worker\\ --layout" 'kill -SEGV $$'
	refused "lays out the shared memory differently"
	pretend "check\\ *" 'echo "test.ini:5: no such option any more"' 'exit 2'
	refused "no such option any more" 2
	printf 'no program at all\n' >"$DIR/nothing"
	install_program "$DIR/nothing"
	refused "$DIR/bin/yardmaster" 2
	rm "$DIR/bin/yardmaster"
	refused "$DIR/bin/yardmaster" 2
	# It is gone between the trial and the exec.
	pretend "check\\ *" "rm -f $DIR/bin/yardmaster" 'exit 0'
	expect 0 ym upgrade
	wait_until 5 logged "the upgrade has failed, this program goes on"
	expect 0 ym submit ledger "$((++JOBS)) 0" --wait
	assert_equal "$before" "$(worker_pids ledger)" "workers"
	install_program "$BUILD/yardmaster"
	upgrade
	assert_equal "$before" "$(worker_pids ledger)" "workers"
	expect 0 ym submit ledger "$((++JOBS)) 0" --wait
	assert_equal "$JOBS" "$(grep -c '^done' "$DIR/ledger")" "jobs done"
}

# It passes the trials and ends as soon as it is in our place: the next master adopts what is there.
test_a_program_that_breaks() {
	local before
	own_program
	service_ini "workers = 2"
	start_master
	wait_until 5 is 2 eval 'worker_pids ledger | wc -l'
	before=$(worker_pids ledger)
	pretend "run\\ *" 'exit 42'
	YARDMASTER=$BUILD/yardmaster
	expect 0 ym upgrade
	assert_master_exits 42
	start_master
	assert_equal "$before" "$(worker_pids ledger)" "workers"
	expect 0 ym submit ledger "1 0" --wait
}

# `ipcrm -a` between the old program and the new one, when nobody but their keeper has the segments attached: the workers
# see it at once. What waited, and what ran, is kept.
test_objects_removed_in_that_moment() { # sanitized
	local program
	own_program
	write_ini <<-INI
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		workers = 2
		[pool:other]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		workers = 1
		[program:sleeper]
		command = sleep 1000
		startsecs = 0
	INI
	start_master
	wait_until 5 is RUNNING program_field sleeper 2
	program=$(pgrep -P "$MASTER" -x sleep)
	submit other "1 1000"
	wait_until 5 has_lines "$DIR/ledger" 1
	expect 0 ym pause ledger
	submit ledger "2 0"
	submit ledger "3 0" --delay 2s
	YARDMASTER=$BUILD/yardmaster
	pretend "run\\ *" "ipcrm -a" "sleep 0.3"
	expect 0 ym upgrade --wait
	assert_logged "somebody removed our IPC objects during the upgrade"
	assert_logged "the IPC objects were made anew"
	wait_until 20 every_job_is_done 3
	assert_equal "" "$(awk '$1 == "done" {print $2}' "$DIR/ledger" | sort | uniq -d)" "jobs that ended twice"
	assert_equal "$program" "$(pgrep -P "$MASTER" -x sleep)" "process of the program"
	wait_until 5 is 2 eval 'worker_pids ledger | wc -l'
	assert_equal 0 "$(zombies)" "zombies"
	stop_master
	assert_equal 0 "$(ipc_objects)" "IPC objects that are left"
}

every_job_is_done() { # NUMBER
	(($(awk '$1 == "done" {print $2}' "$DIR/ledger" | sort -u | wc -l) == $1))
}

# A changed file is a reload's matter.
test_another_configuration() { # sanitized
	service_ini "workers = 1"
	start_master
	sed -i 's/^workers = 1/workers = 3/' "$INI"
	expect 1 ym upgrade
	assert_contains "has been changed since it was read: \`yardmaster reload\` first" "$ERR" "upgrade with a changed file"
	expect 0 ym reload
	upgrade
	wait_until 5 is 3 eval 'worker_pids ledger | wc -l'
	# A pool that is on its way out.
	submit ledger "1 gate"
	wait_until 5 has_lines "$DIR/ledger" 1
	sed -i 's/^\[pool:ledger\]/[pool:later]/' "$INI"
	expect 0 ym reload
	expect 1 ym upgrade
	assert_contains "the last jobs of pool ledger, which was removed, are not over" "$ERR" "a pool that goes"
	touch "$DIR/ledger.gate"
	wait_until 10 logged "pool ledger has gone"
	upgrade
	assert_equal 1 "$(grep -c '^done 1 1' "$DIR/ledger")" "ends of its last job"
}

# ---- signals and deaths in the middle -----------------------------------------------------------------------------------

test_sigterm_in_an_upgrade() {
	local i
	service_ini
	for ((i = 0; i < 25; i++)); do
		start_master
		upgrade_meanwhile
		pause 60
		kill -TERM "$MASTER"
		assert_master_exits 0
		wait "$CLIENT"
		assert_logged "no IPC object is left"
		: >"$LOG"
	done
}

test_sighup_in_an_upgrade() {
	local i before
	service_ini
	start_master
	wait_until 5 is 1 eval 'worker_pids ledger | wc -l'
	before=$(worker_pids ledger)
	for ((i = 1; i <= 40; i++)); do
		upgrade_meanwhile
		pause 60
		kill -HUP "$MASTER"
		wait "$CLIENT"
		wait_until 5 logged "Hangup: reading" "$i"
		wait_until 5 logged "goes on where the program before it was" "$i"
	done
	assert_equal 40 "$(grep -c 'Hangup: reading' "$LOG")" "reloads of 40 SIGHUPs"
	assert_equal "$before" "$(worker_pids ledger)" "workers"
}

test_killed_in_an_upgrade() {
	local workers programs i
	load_ini
	start_load
	workers=$(load_workers)
	programs=$(program_pids)
	start_feeding
	for ((i = 0; i < 40; i++)); do
		upgrade_meanwhile
		pause 80
		slay "$MASTER"
		wait "$CLIENT"
		: >"$LOG"
		start_master
	done
	end_feeding
	assert_equal "$workers" "$(load_workers)" "workers"
	assert_equal "$programs" "$(program_pids)" "processes of programs"
	assert_not_doubled
	assert_equal 0 "$(zombies)" "zombies"
}

# Deaths come at any time of an upgrade; the exit codes are what they were.
test_children_die_in_an_upgrade() {
	local i pid
	write_ini <<-INI
		[pool:plain]
		plugin = $PLUGINS/ledger.so
		option.file = $LEDGER
		workers = 2
		attempts = 200
		crashes = 200
		restart_delay = 1ms
		[program:once]
		command = sh -c 'read -r none; until test -e $DIR/end; do sleep 0.005; done; exit 7'
		autostart = false
		autorestart = false
		startsecs = 0
	INI
	start_master
	for ((i = 1; i <= 25; i++)); do
		rm -f "$DIR/end"
		expect 0 ym start once
		wait_until 5 is RUNNING program_field once 2
		submit plain "$i 300"
		wait_until 5 grep -q "^$i 1 " "$LEDGER"
		pid=$(awk -v id="$i" '$1 == id {print $3; exit}' "$LEDGER")
		upgrade_meanwhile
		pause 60
		: >"$DIR/end"
		kill -KILL "$pid"
		wait "$CLIENT"
		wait_until 10 is EXITED program_field once 2
		wait_until 10 grep -q "^done $i 2 " "$LEDGER"
		expect 0 ym status --json
		assert_contains "exited with code 7" "$OUT" "end of the program in upgrade $i"
		expect 0 ym show "$JOB"
		assert_contains "worker $pid was killed by signal 9 (Killed)" "$OUT" "end of the worker in upgrade $i"
		wait_until 5 logged "goes on where the program before it was" "$i"
	done
	assert_equal 0 "$(zombies)" "zombies"
}

# ---- what goes on over it -----------------------------------------------------------------------------------------------

# Nothing that is over begins anew, no delay begins anew.
test_states_stay() {
	local start last fatal i
	write_ini <<-INI
		[pool:broken]
		plugin = $PLUGINS/bad_open.so
		startretries = 1
		restart_delay = 1ms
		[program:once]
		command = sh -c 'echo once >>$DIR/once; exit 3'
		autorestart = false
		startsecs = 0
		[program:fatal]
		command = sh -c 'echo fatal >>$DIR/fatal; exit 1'
		startretries = 2
		startsecs = 1
		restart_delay = 1ms
		[program:later]
		command = sh -c 'date +%%s%%3N >>$DIR/later; exit 1'
		startretries = 5
		startsecs = 1
		restart_delay = 4s
		restart_jitter = 0
		[program:deaf]
		command = sh -c 'trap "" TERM; echo deaf >>$DIR/deaf; while :; do sleep 0.1; done'
		stopwaitsecs = 5
		startsecs = 0
		[program:hand]
		command = sleep 1000
		startsecs = 0
		[program:ready]
		command = sh -c 'until test -e $DIR/now; do sleep 0.01; done; echo >&3; exec sleep 1000'
		ready = fd
	INI
	start_master
	wait_until 10 is FATAL program_field fatal 2
	wait_until 10 is EXITED program_field once 2
	wait_until 10 is BACKOFF program_field later 2
	wait_until 10 has_lines "$DIR/deaf" 1
	wait_until 10 logged "pool broken: worker 0 is FATAL"
	start=$(now_ms)
	fatal=$(grep -c 'is FATAL' "$LOG")
	expect 0 ym stop hand --wait
	expect 0 ym stop deaf
	for i in 1 2 3 4; do
		# The last one late: what would begin anew with it would be late by more than a slow machine is.
		((i < 4)) || wait_until 10 passed $((start + 2500))
		last=$(now_ms)
		upgrade
		assert_equal FATAL "$(program_field fatal 2)" "a program that has given up"
		assert_equal EXITED "$(program_field once 2)" "a program that has done its work"
		assert_equal STOPPED "$(program_field hand 2)" "a program that was stopped by hand"
		assert_equal STARTING "$(program_field ready 2)" "a program that is not ready"
	done
	assert_equal "$fatal" "$(grep -c 'is FATAL' "$LOG")" "children that have given up"
	assert_equal 1 "$(wc -l <"$DIR/once")" "starts of the program that has done its work"
	assert_equal 3 "$(wc -l <"$DIR/fatal")" "starts of the program that has given up"
	: >"$DIR/now"
	wait_until 5 is RUNNING program_field ready 2
	wait_until 10 has_lines "$DIR/later" 2
	assert_less 4000 $(($(sed -n 2p "$DIR/later") - last)) "ms from the last upgrade until the second start"
	wait_until 10 is STOPPED program_field deaf 2
	last=$(($(now_ms) - last))
	assert_logged "program deaf (pid"
	assert_less 5000 "$last" "ms from the last upgrade until the deaf one was killed"
	(($(now_ms) - start >= 4800)) || fail "killed after $(($(now_ms) - start)) ms"
}

passed() { # MOMENT IN MS
	(($(now_ms) >= $1))
}

test_a_roll_goes_on() { # sanitized
	local before i
	load_ini
	start_load
	start_feeding
	for i in 1 2 3; do
		before=$(worker_pids plain)
		expect 0 ym restart --all
		upgrade
		expect 0 ym restart plain --wait
		assert_equal "" "$(comm -12 <(sort <<<"$before") <(worker_pids plain | sort))" "workers of before the roll"
		expect 0 ym reload
	done
	wait_until 20 is 3/3 cell plain WORKERS
	end_feeding
}

# A permit that was lost would let nobody be recycled any more.
test_recycling_goes_on() {
	local i before
	load_ini
	sed -i -e '/^\[pool:plain\]/a max_jobs = 3' -e '/^\[pool:limited\]/a max_age = 300ms\nrecycle_at_once = 1' "$INI"
	start_load
	start_feeding
	for ((i = 0; i < 15; i++)); do
		upgrade
		pause 150
	done
	for i in plain limited; do
		before=$(grep -c "pool $i: worker .* is recycled" "$LOG")
		wait_until 10 logged_more "pool $i: worker .* is recycled" "$((before + 5))"
	done
	end_feeding
}

logged_more() { # PATTERN THAN
	(($(grep -c "$1" "$LOG") > $2))
}

# ---- the service manager ------------------------------------------------------------------------------------------------

test_pidfile_and_notify() {
	local beats i pid
	own_program
	service_ini
	start_manager
	export WATCHDOG_USEC=600000
	start_detached
	unset WATCHDOG_USEC
	wait_until 5 heard '^READY=1'
	for ((i = 0; i < 5; i++)); do
		install_program "$BUILD/yardmaster"
		upgrade
		assert_equal "$MASTER" "$(<"$PIDFILE")" "pid file"
		beats=$(grep -c '^WATCHDOG=1' "$DIR/heard")
		wait_until 2 heard '^WATCHDOG=1' $((beats + 2))
	done
	heard '^STOPPING=1' && fail "the service manager believes that we stop"
	sed -e 's/instance = test/instance = second/' -e "s|$DIR/run|$DIR/second|" "$INI" >"$DIR/second.ini"
	expect 1 env -u NOTIFY_SOCKET "$YARDMASTER" run --pidfile "$PIDFILE" "$DIR/second.ini"
	assert_contains "(pid $MASTER)" "$ERR" "second holder of the pid file"
	for pid in $(worker_pids ledger); do
		! tr '\0' '\n' <"/proc/$pid/environ" | grep -q '^NOTIFY_SOCKET=' || fail "worker $pid knows the socket"
	done
	kill -TERM "$MASTER"
	await_detached_end
	wait_until 5 heard '^STOPPING=1$'
	stop_manager
}
