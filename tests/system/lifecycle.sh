# shellcheck shell=bash
# lifecycle.sh - start, stop, and what happens to jobs in between.

sleepers() { # [LINES FOR THE POOL...]
	write_ini <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		$(printf '%s\n' "$@")
	EOF
}

test_stop_lets_jobs_finish() { # sanitized
	sleepers "stopwaitsecs = 5s"
	start_master
	submit ledger "1 300"
	wait_until 5 has_lines "$DIR/ledger" 1
	stop_master
	assert_equal 1 "$(grep -c '^done 1 1' "$DIR/ledger")" "ends of the job"
	assert_equal 0 "$(backlogs)" "backlog files"
	assert_logged "no IPC object is left"
}

test_stop_asks_long_jobs_to_give_up() { # sanitized
	local start
	sleepers "stopwaitsecs = 100ms"
	start_master
	submit ledger "1 1000"
	wait_until 5 has_lines "$DIR/ledger" 1
	start=$(now_ms)
	stop_master
	assert_less 900 $(($(now_ms) - start)) "ms until the stop"
	assert_logged "asking it to give up"
	assert_equal 0 "$(grep -c '^done' "$DIR/ledger")" "ends of the job before the stop"
	assert_equal 1 "$(backlogs)" "backlog files"
	start_master
	wait_until 5 has_lines "$DIR/ledger" 4
	# Giving up because of a stop is not the job's fault: still attempt 1.
	assert_equal 1 "$(grep -c '^done 1 1' "$DIR/ledger")" "ends of the job after the start"
}

test_stop_now() { # sanitized
	local start
	sleepers "stopwaitsecs = 60s"
	start_master
	submit ledger "1 800"
	wait_until 5 has_lines "$DIR/ledger" 1
	start=$(now_ms)
	stop_master --now
	assert_less 750 $(($(now_ms) - start)) "ms until the stop"
	start_master
	wait_until 5 has_lines "$DIR/ledger" 4
}

test_stop_now_twice_kills() {
	local i
	write_ini <<-EOF
		[pool:stubborn]
		plugin = $PLUGINS/sleep.so
		option.obey = no
		stopwaitsecs = 60s
	EOF
	start_master
	submit stubborn 60000
	wait_until 5 is running job_state "$JOB"
	expect 1 ym stop --now --timeout 200ms
	assert_contains "still waiting for running jobs" "$ERR" "stop of a stubborn job"
	stop_master --now
	assert_logged "does not stop: killing it"
	assert_equal 1 "$(backlogs)" "backlog files"
	start_master
	wait_until 5 is running job_state 1
	for i in 1 2; do
		kill -TERM "$MASTER"
		wait_until 5 logged "Terminated" "$((2 + i))"
	done
	kill -TERM "$MASTER"
	assert_master_exits 0
}

test_waiting_jobs_survive_stop() { # sanitized
	local i
	sleepers "stopwaitsecs = 5s"
	head -c 70000 /dev/urandom | base64 -w0 >"$DIR/long"
	start_master
	submit ledger "1 1500"
	wait_until 5 has_lines "$DIR/ledger" 1
	for i in 2 3 4 5 6; do
		submit ledger "$i 0 $(<"$DIR/long")" --tag "tag $i"
	done
	stop_master
	has_line "$DIR/ledger" "$(grep '^done 1 1' "$DIR/ledger")" || fail "the running job was not finished"
	assert_equal 2 "$(wc -l <"$DIR/ledger")" "lines of the ledger at the stop"
	start_master
	wait_until 5 has_lines "$DIR/ledger" 12
	assert_equal "1 2 3 4 5 6" "$(awk '!/^done/ {print $1}' "$DIR/ledger" | paste -sd' ')" "order of the jobs"
	assert_equal "tag 2,tag 3,tag 4,tag 5,tag 6" \
		"$(ym jobs --json | sed 's/.*"tag": "\([^"]*\)".*/\1/' | paste -sd,)" "tags"
}

test_jobs_of_a_missing_pool_are_kept() {
	sleepers
	sed 's/pool:ledger/pool:other/' "$INI" >"$DIR/other.ini"
	start_master
	submit ledger "1 500"
	wait_until 5 has_lines "$DIR/ledger" 1
	submit ledger "2 0"
	stop_master --now
	cp "$INI" "$DIR/first.ini"
	cp "$DIR/other.ini" "$INI"
	start_master
	assert_logged "their pool is not configured"
	stop_master
	assert_equal 1 "$(backlogs)" "backlog files"
	cp "$DIR/first.ini" "$INI"
	start_master
	wait_until 5 is 2 eval "grep -c '^done' '$DIR/ledger'"
}

test_stop_without_master() { # sanitized
	sleepers "workers = 2"
	start_master
	submit ledger "1 300"
	wait_until 5 has_lines "$DIR/ledger" 1
	wait_until 5 is 2 eval 'worker_pids ledger | wc -l'
	slay "$MASTER"
	expect 0 ym stop --timeout 10s
	assert_contains "has no master; 2 workers told to end" "$OUT" "stop without a master"
	assert_equal 1 "$(grep -c '^done 1 1' "$DIR/ledger")" "ends of the running job"
	assert_equal 0 "$(ipc_objects)" "IPC objects"
	expect 3 ym stop
}

test_second_master_is_refused() { # sanitized
	sleepers
	start_master
	expect 1 "$YARDMASTER" run "$INI"
	assert_contains "already has a master (pid $MASTER)" "$ERR" "second master"
	# Also one whose log is a file: who starts it looks at the terminal.
	sed "s|^directory.*|&\nlogfile = $DIR/second.log|" "$INI" >"$DIR/second.ini"
	expect 1 "$YARDMASTER" run "$DIR/second.ini"
	assert_contains "already has a master (pid $MASTER)" "$ERR" "second master with a log file"
	expect 0 ym submit ledger "1 0" --wait
	assert_equal 1 "$(worker_pids ledger | wc -l)" "workers"
}

test_two_instances_do_not_meet() {
	sleepers
	start_master
	sed -e 's/instance = test/instance = second/' -e "s|$DIR/run|$DIR/second|" "$INI" >"$DIR/second.ini"
	"$YARDMASTER" run "$DIR/second.ini" >"$DIR/second.log" 2>&1 &
	wait_until 5 grep -q "is up" "$DIR/second.log"
	expect 0 "$YARDMASTER" submit -c "$DIR/second.ini" ledger "8 0" --wait
	assert_equal 0 "$(ym jobs --json | wc -l)" "jobs of the first instance"
	expect 0 "$YARDMASTER" stop -c "$DIR/second.ini"
	expect 0 ym status
}

# A client may hold the objects for longer than the master.
test_last_client_removes() {
	mkfifo "$DIR/pipe"
	sleepers
	start_master
	exec 5<>"$DIR/pipe"
	ym_background submit ledger - <"$DIR/pipe" >/dev/null 5>&-
	wait_until 5 client_is_in
	stop_master
	assert_logged "other participants still use the IPC objects"
	(($(ipc_objects) > 0)) || fail "the objects of a living client were removed"
	printf '1 0' >&5
	exec 5>&-
	wait "$CLIENT"
	assert_equal 0 $? "exit code of the client"
	assert_equal 0 "$(ipc_objects)" "IPC objects"
	assert_equal 1 "$(backlogs)" "backlog files"
	start_master
	wait_until 5 has_lines "$DIR/ledger" 2
}

# A master that was started with other pools takes over what a dead one left.
test_take_over_with_another_file() {
	sleepers "workers = 2"
	start_master
	submit ledger "1 400"
	wait_until 5 has_lines "$DIR/ledger" 1
	slay "$MASTER"
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
	EOF
	start_master
	expect 0 ym submit echo new --wait
	assert_equal new "$OUT" "job of a pool that is new"
	wait_until 5 is 1 eval "grep -c '^done 1 1' '$DIR/ledger'"
	wait_until 5 is 1 eval 'worker_pids ledger | wc -l'
}

# A PHP script that called sem_get() on our key before we came keeps it until it ends.
test_php_has_our_key() {
	local script
	sleepers
	mkdir "$DIR/run"
	: >"$DIR/run/members"
	perl -e '
		my @st = stat $ARGV[0];
		my $key = ($st[1] & 0xffff) | ($st[0] & 0xff) << 16 | ord("y") << 24;
		my $id = semget($key, 3, 01666) // die "semget: $!";
		my $undo = 010000;
		semop($id, pack("s!9", 2, 0, 0, 1, 1, $undo, 2, 1, $undo)) or die "semop: $!";
		semctl($id, 0, 16, 1) or die "semctl: $!";
		semop($id, pack("s!3", 2, -1, $undo)) or die "semop: $!";
		$| = 1;
		print "in\n";
		sleep 60;
	' "$DIR/run/members" >"$DIR/script" &
	script=$!
	wait_until 5 has_line "$DIR/script" in
	launch_master
	wait_until 5 logged "waiting: a script (last seen pid $script) holds the group's key"
	expect 3 ym status
	slay "$script"
	wait_until 5 logged "is up (pid $MASTER,"
	expect 0 ym submit ledger "1 0" --wait
}
