# shellcheck shell=bash
# service.sh - under a service manager, in the background, as process 1.

PIDFILE=$DIR/test.pid

service_ini() { # [LINES FOR THE POOL...]
	write_ini <<-INI
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		$(printf '%s\n' "$@")
	INI
}

# ---- in the background ------------------------------------------------------------------------------------------------

start_detached() {
	expect 0 timeout 20 "$YARDMASTER" run -d --pidfile "$PIDFILE" "$INI" </dev/null
	MASTER=$(<"$PIDFILE")
	[[ $MASTER =~ ^[0-9]+$ ]] || fail "the pid file says \"$MASTER\""
}

# The master is no child of ours: its exit code is not to be had.
await_detached_end() {
	wait_until 10 ended "$MASTER"
	[[ ! -e $PIDFILE ]] || fail "the pid file is still there: $(<"$PIDFILE")"
	MASTER=
}

test_detach() { # sanitized
	service_ini
	# A pipe with a reader that waits for its end, as in $(...), is let go; `expect` gives files.
	timeout 20 "$YARDMASTER" run -d --pidfile "$PIDFILE" "$INI" 2>&1 </dev/null | cat >"$DIR/said"
	assert_contains "is up (pid $(<"$PIDFILE")," "$(<"$DIR/said")" "what it says until it is up"
	MASTER=$(<"$PIDFILE")
	# When the command has ended, everything is up.
	expect 0 ym status
	assert_contains "master pid $MASTER," "$OUT" "status"
	[[ $(ps -o tty= -p "$MASTER") == '?' ]] || fail "the master has a terminal: $(ps -o tty= -p "$MASTER")"
	[[ $(ps -o sid= -p "$MASTER") -ne $(ps -o sid= -p $$) ]] || fail "the master is in our session"
	assert_equal /dev/null "$(readlink "/proc/$MASTER/fd/2")" "stderr of the master"
	expect 0 ym submit ledger "1 0" --wait
	expect 0 ym stop --timeout 20s
	await_detached_end
}

test_detach_and_sigterm() { # sanitized
	service_ini "stopwaitsecs = 5s"
	start_detached
	submit ledger "1 300"
	wait_until 5 has_lines "$DIR/ledger" 1
	kill -TERM "$MASTER"
	await_detached_end
	assert_equal 1 "$(grep -c '^done 1 1' "$DIR/ledger")" "ends of the job"
	assert_equal 0 "$(ipc_objects)" "IPC objects"
}

test_detach_fails() { # sanitized
	service_ini
	expect 2 "$YARDMASTER" run -d "$DIR/missing.ini"
	assert_contains missing.ini "$ERR" "the reason"
	[[ ! -e $PIDFILE ]] || fail "a pid file is there"
	start_detached
	# The instance and the pid file of a running master.
	expect 1 "$YARDMASTER" run -d --pidfile "$DIR/other.pid" "$INI"
	assert_contains "already has a master (pid $MASTER)" "$ERR" "second master"
	[[ ! -e $DIR/other.pid ]] || fail "the pid file of the one that was refused is still there"
	sed -e 's/instance = test/instance = second/' -e "s|$DIR/run|$DIR/second|" "$INI" >"$DIR/second.ini"
	expect 1 "$YARDMASTER" run -d --pidfile "$PIDFILE" "$DIR/second.ini"
	assert_contains "(pid $MASTER)" "$ERR" "second holder of the pid file"
	assert_equal "$MASTER" "$(<"$PIDFILE")" "pid file"
	kill -TERM "$MASTER"
	await_detached_end
}

test_stale_pidfile() {
	service_ini
	start_detached
	kill -KILL "$MASTER"
	wait_until 5 ended "$MASTER"
	assert_equal "$MASTER" "$(<"$PIDFILE")" "pid file of a killed master"
	start_detached
	kill -TERM "$MASTER"
	await_detached_end
}

# ---- a service manager ------------------------------------------------------------------------------------------------

# Messages come as lines of the file "heard", a blank for each newline in them.
start_manager() {
	python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
with open(sys.argv[2], "w", buffering=1) as out:
    print("listening", file=out)
    while True:
        print(s.recv(4096).decode().replace("\n", " "), file=out)
' "$DIR/notify" "$DIR/heard" &
	MANAGER=$!
	wait_until 10 has_line "$DIR/heard" listening
	export NOTIFY_SOCKET=$DIR/notify
}

heard() { # PATTERN [TIMES]
	(($(grep -cE -e "$1" "$DIR/heard") >= ${2:-1}))
}

stop_manager() {
	kill "$MANAGER"
	wait "$MANAGER" 2>/dev/null
}

test_notify() { # sanitized
	service_ini
	start_manager
	start_master
	wait_until 5 heard '^READY=1$'
	wait_until 5 heard '^STATUS=.'
	# Neither a worker nor what it runs can speak for the master.
	for pid in $(worker_pids ledger); do
		! tr '\0' '\n' <"/proc/$pid/environ" | grep -q '^NOTIFY_SOCKET=' || fail "worker $pid knows the socket"
	done
	heard '^WATCHDOG=' && fail "signs of life that nobody has asked for"
	stop_master
	wait_until 5 heard '^STOPPING=1$'
	assert_equal 1 "$(grep -c '^READY=1' "$DIR/heard")" "times READY=1"
	assert_equal 1 "$(grep -c '^STOPPING=1' "$DIR/heard")" "times STOPPING=1"
	stop_manager
}

test_notify_reload() {
	service_ini
	start_manager
	start_master
	wait_until 5 heard '^READY=1'
	kill -HUP "$MASTER"
	wait_until 5 heard '^RELOADING=1 MONOTONIC_USEC=[0-9]+$'
	wait_until 5 heard '^READY=1' 2
	# A reload that is refused is over as well.
	echo nonsense >>"$INI"
	kill -HUP "$MASTER"
	wait_until 5 heard '^RELOADING=1' 2
	wait_until 5 heard '^READY=1' 3
	sed -i '$d' "$INI"
	stop_master
	stop_manager
}

test_watchdog() { # sanitized
	service_ini
	start_manager
	export WATCHDOG_USEC=500000
	start_master
	wait_until 5 heard '^WATCHDOG=1$' 5
	stop_master
	unset WATCHDOG_USEC
	stop_manager
}

# A job may take longer than the manager would wait.
test_stop_asks_for_time() {
	service_ini "stopwaitsecs = 100s"
	start_manager
	start_master
	submit ledger "1 500"
	wait_until 5 has_lines "$DIR/ledger" 1
	stop_master
	wait_until 5 heard '^EXTEND_TIMEOUT_USEC=1[0-9]{8}$'
	stop_manager
}

# ---- process 1 --------------------------------------------------------------------------------------------------------

# A job that leaves a process behind, in a session of its own: its parent ends, and it becomes a child of process 1.
test_process_one() {
	local outer inner
	write_ini "log_level = debug" <<-INI
		[pool:orphans]
		command = sh -c 'setsid sh -c "echo >>$DIR/orphans; sleep 0.2; echo >>$DIR/orphans" & until test -e $DIR/orphans; do sleep 0.01; done'
	INI
	unshare --pid --fork --kill-child --mount-proc "$YARDMASTER" run "$INI" >>"$LOG" 2>&1 &
	outer=$!
	wait_until 10 logged "is up (pid 1,"
	inner=$(pgrep -P "$outer")
	submit orphans x
	# The job itself has ended well: nobody has taken its exit code away from who waits for it.
	wait_until 5 is "done" job_state "$JOB"
	wait_until 5 has_lines "$DIR/orphans" 2
	wait_until 5 logged "reaped an orphan"
	wait_until 5 is 0 eval "ps --no-headers -o stat --ppid $inner | grep -c '^Z'"
	kill -TERM "$inner"
	wait "$outer"
	assert_equal 0 $? "exit code of process 1"
	assert_logged "no IPC object is left"
}

test_process_one_does_not_detach() {
	service_ini
	expect 2 unshare --pid --fork --kill-child --mount-proc "$YARDMASTER" run -d "$INI"
	assert_contains "process 1" "$ERR" "-d as process 1"
}

# ---- the example ------------------------------------------------------------------------------------------------------

test_unit_file() {
	command -v systemd-analyze >/dev/null || skip "there is no systemd-analyze"
	sed "s|/usr/local/bin/yardmaster|$YARDMASTER|" "$SOURCE/examples/service/yardmaster.service" >"$DIR/yardmaster.service"
	expect 0 systemd-analyze verify "$DIR/yardmaster.service"
	assert_equal "" "$OUT$ERR" "what systemd has to say of the unit"
}
