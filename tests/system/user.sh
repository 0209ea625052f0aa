# shellcheck shell=bash
# user.sh - pools whose workers run as another user, and clients that are members of `ipc_group`.
#
# Everything that the other user needs is below /tmp: what the runner gives us may be out of his reach.

GROUP=$(getent group users | cut -d : -f 3)

# The directory of the instance, the program and the plugins for everybody; $OPEN/out belongs to nobody.
prepare() {
	setpriv --reuid=nobody --regid=nogroup --clear-groups true 2>/dev/null ||
		skip "only root can have workers of another user"
	OPEN=$(mktemp -d /tmp/ym-user.XXXXXX) || fail "no directory"
	trap 'rm -rf "$OPEN"' EXIT
	mkdir "$OPEN/out"
	cp "$YARDMASTER" "$PLUGINS"/{checksum,echo,ledger}.so "$OPEN"
	YARDMASTER=$OPEN/yardmaster INI=$OPEN/test.ini
	chmod 755 "$OPEN"
	chown nobody "$OPEN/out"
	cat >"$INI" <<-END
		[yardmaster]
		instance = test
		directory = $OPEN/run
		ipc_group = $GROUP
		[pool:sum]
		plugin = $OPEN/checksum.so
		user = nobody
		workers = 2
		[pool:echo]
		plugin = $OPEN/echo.so
		user = nobody
		workers = 1
		[pool:ledger]
		plugin = $OPEN/ledger.so
		option.file = $OPEN/out/ledger
		user = nobody
		workers = 1
	END
	chmod 644 "$INI"
	head -c 5000000 /dev/urandom >"$OPEN/large"
	chmod 644 "$OPEN/large"
}

as_nobody() { # GROUP COMMAND...
	setpriv --reuid=nobody --regid=nogroup --groups="$1" "${@:2}"
}

user_of() { # PID
	ps -o user= -p "$1"
}

backlogs_here() {
	find "$OPEN/run" -name 'backlog-*' | wc -l
}

# System V objects that a user has made.
ipc_objects_of() { # USER
	awk -v uid="$(id -u "$1")" '$1 == "key" {for (i = 1; i <= NF; i++) if ($i == "cuid") at = i; next}
		$at == uid {n++} END {print n + 0}' /proc/sysvipc/{sem,shm,msg}
}

test_jobs_run_as_another_user() {
	local pid
	prepare
	start_master
	for pid in $(worker_pids sum) $(worker_pids echo); do
		assert_equal nobody "$(user_of "$pid")" "user of worker $pid"
	done
	expect 0 ym submit sum abc --wait
	assert_equal "$(printf abc | cksum)" "$OUT" "result of a small job"
	expect 0 ym submit sum --file "$OPEN/large" --wait
	assert_equal "$(cksum <"$OPEN/large")" "$OUT" "result of a large job"
	ym submit echo --file "$OPEN/large" --wait >"$DIR/result" || fail "submit: exit code $?"
	assert_same_file "$OPEN/large" "$DIR/result" "a large result"
	stop_master
	assert_equal 0 "$(ipc_objects)" "IPC objects"
	assert_equal 0 "$(backlogs_here)" "backlogs"
}

test_members_of_the_group_submit() {
	prepare
	start_master
	expect 0 as_nobody "$GROUP" "$YARDMASTER" submit sum -c "$INI" --file "$OPEN/large" --wait
	assert_equal "$(cksum <"$OPEN/large")" "$OUT" "a job of a member"
	expect 0 as_nobody "$GROUP" "$YARDMASTER" status -c "$INI"
	assert_contains "master pid $MASTER," "$OUT" "status for a member"
	expect 0 as_nobody "$GROUP" "$YARDMASTER" jobs -c "$INI"
	expect 4 as_nobody 54322 "$YARDMASTER" submit sum -c "$INI" abc --wait
	assert_contains "shares it with group $GROUP" "$ERR" "message for somebody else"
	assert_contains "not in that group" "$ERR" "message for somebody else"
	assert_equal 0 "$(ipc_objects_of nobody)" "IPC objects of others than root"
}

start_some_jobs() {
	submit ledger "1 60000"
	wait_until 10 has_lines "$OPEN/out/ledger" 1
	submit ledger "2 1"
	submit sum --file "$OPEN/large" --delay 1h
}

see_jobs_again() {
	start_master
	wait_until 20 is 3 count_jobs
	assert_equal delayed "$(job_state 3)" "the delayed job"
	wait_until 20 has_lines "$OPEN/out/ledger" 2
	stop_master --now
	assert_equal 0 "$(ipc_objects)" "IPC objects"
}

count_jobs() {
	ym jobs --json | wc -l
}

test_all_killed() {
	local pids
	prepare
	start_master
	start_some_jobs
	mapfile -t pids < <(worker_pids sum; worker_pids echo; worker_pids ledger)
	slay "$MASTER" "${pids[@]}"
	wait_until 10 is 0 ipc_objects
	assert_equal 1 "$(backlogs_here)" "backlogs"
	see_jobs_again
}

# The last to go is a worker that could remove nothing.
test_all_killed_the_worker_last() {
	local pids guardian
	prepare
	start_master
	start_some_jobs
	guardian=$(guardian_pid)
	mapfile -t pids < <(worker_pids sum; worker_pids echo; worker_pids ledger)
	slay "$guardian" "$MASTER"
	slay "${pids[@]}"
	(($(ipc_objects) > 0)) || fail "somebody has removed the objects"
	see_jobs_again
}

# `user` of [yardmaster]: root starts it, and the whole instance is nobody's; root's commands find it.
test_the_master_becomes_another_user() {
	prepare
	cat >"$INI" <<-END
		[yardmaster]
		instance = test
		directory = $OPEN/run
		user = nobody
		[pool:echo]
		plugin = $OPEN/echo.so
		[program:sleeper]
		command = sleep 1000
		startsecs = 0
	END
	start_master
	expect 0 ym submit echo hello --wait
	assert_equal hello "$OUT" "result"
	assert_equal "nobody nobody" "$(user_of "$MASTER") $(user_of "$(worker_pids echo)")" "master and worker"
	assert_equal nobody "$(user_of "$(pgrep -x -P "$MASTER" sleep)")" "the program"
	assert_equal 0 "$(ipc_objects_of root)" "objects of root"
	expect 0 ym reload
	expect 0 ym upgrade --wait
	expect 0 ym submit echo again --wait
	stop_master
	assert_equal 0 "$(ipc_objects_of nobody)" "objects of nobody"
	start_master
	stop_master
	sed -i 's/^user = nobody/user = daemon/' "$INI"
	expect 4 as_nobody 99 "$YARDMASTER" run "$INI"
	assert_contains "only root can become somebody else" "$ERR" "another user starts it"
}
