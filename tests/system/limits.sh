# shellcheck shell=bash
# limits.sh - how many at once, pools that wait for a limit, units that come back, semaphores shared with scripts.

# The same tasks without the limit do meet: otherwise this would prove nothing.
test_never_two_at_once() { # sanitized
	local _
	write_ini <<-EOF
		[limit:one]
		max = 1
		[pool:limited]
		plugin = $PLUGINS/exclusive.so
		workers = 3
		limits = one
		option.file = $DIR/limited
		[pool:free]
		plugin = $PLUGINS/exclusive.so
		workers = 3
		option.file = $DIR/free
	EOF
	start_master
	for _ in 1 2 3 4 5 6 7 8; do
		submit limited 40
	done
	wait_until 10 is 8 eval 'ym jobs --pool limited --json | grep -c "\"state\": \"\(done\|failed\)\""'
	assert_equal 8 "$(jobs_in_state "done")" "jobs that ran alone"
	for _ in 1 2 3; do
		submit free 300
	done
	wait_until 5 is 2 eval 'ym jobs --pool free --state failed --json | wc -l'
}

test_held_pool_says_why() { # sanitized
	local holder
	write_ini <<-EOF
		[limit:one]
		max = 1
		[pool:limited]
		plugin = $PLUGINS/sleep.so
		workers = 2
		limits = one
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	submit limited 60000
	holder=$JOB
	wait_until 5 is running job_state "$holder"
	submit limited 1
	submit limited 2
	wait_until 5 is 2 cell one HELD
	expect 0 ym jobs --state waiting
	assert_contains "waits for limit one" "$OUT" "held jobs in jobs"
	assert_equal 1 "$(cell one USED)" "used units"
	assert_equal 2 "$(cell limited WAITING)" "held jobs of the pool"
	expect 0 ym status
	[[ $OUT =~ limited\ +held\ .*\ for\ limit\ one ]] || fail "no held worker in: $OUT"
	[[ $OUT =~ limited\ +2/2\ .*\ waits\ for\ limit\ one ]] || fail "the pool does not say what holds it up: $OUT"
	expect 0 ym submit echo "not limited" --wait
	expect 0 ym cancel "$holder"
	wait_until 5 is 2 eval 'ym jobs --pool limited --state done --json | wc -l'
	wait_until 5 is 0 cell one USED
}

test_unit_comes_back_after_a_kill() { # sanitized
	local pid
	write_ini <<-EOF
		[limit:one]
		max = 1
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		workers = 2
		limits = one
		restart_delay = 10ms
		option.file = $DIR/ledger
	EOF
	start_master
	submit ledger "1 300"
	wait_until 5 has_lines "$DIR/ledger" 1
	submit ledger "2 10"
	wait_until 5 is one job_field "$JOB" waits_for_limit
	pid=$(awk '{print $3}' "$DIR/ledger")
	slay "$pid"
	wait_until 5 is 2 jobs_in_state "done"
	wait_until 5 is 0 cell one USED
	expect 0 ym submit ledger "3 0" --wait
}

# A script that takes one unit of the semaphore behind KEY as PHP would, says so, and gives it back when told.
hold() { # KEY
	# exec: who kills the background job kills the holder.
	exec perl -e '
		my $undo = 010000;
		my $id = semget(hex $ARGV[0], 3, 01666) // die "semget: $!";
		semop($id, pack("s!9", 2, 0, 0, 1, 1, $undo, 2, 1, $undo)) or die "semop: $!";
		semctl($id, 0, 16, 1) if semctl($id, 1, 12, 0) == 1;
		semop($id, pack("s!3", 2, -1, $undo)) or die "semop: $!";
		semop($id, pack("s!3", 0, -1, $undo)) or die "semop: $!";
		$| = 1;
		print "held\n";
		<STDIN>;
		semop($id, pack("s!3", 0, 1, $undo)) or die "semop: $!";
		print "released\n";
		<STDIN>;
	' "$1"
}

shared_limit() { # KEY
	write_ini <<-EOF
		[limit:shared]
		max = 1
		key = $1
		[pool:limited]
		plugin = $PLUGINS/sleep.so
		workers = 2
		limits = shared
	EOF
	mkfifo "$DIR/pipe"
	exec 5<>"$DIR/pipe"
}

test_limit_shared_with_a_script() { # sanitized
	local start script
	shared_limit 0x59001234
	start_master
	hold 0x59001234 <"$DIR/pipe" >"$DIR/script" &
	script=$!
	wait_until 5 has_line "$DIR/script" held
	submit limited 1
	wait_until 5 is shared job_field "$JOB" waits_for_limit
	start=$(now_ms)
	echo go >&5
	wait_until 5 is "done" job_state "$JOB"
	assert_less 1000 $(($(now_ms) - start)) "ms from the release to the end of the job"
	assert_equal 1 "$(grep -c released "$DIR/script")" "releases of the script"
	echo end >&5
	wait "$script"
}

test_script_dies_with_the_unit() {
	local start script
	shared_limit 0x59001235
	start_master
	hold 0x59001235 <"$DIR/pipe" >"$DIR/script" &
	script=$!
	wait_until 5 has_line "$DIR/script" held
	submit limited 1
	wait_until 5 is shared job_field "$JOB" waits_for_limit
	start=$(now_ms)
	slay "$script"
	wait_until 5 is "done" job_state "$JOB"
	assert_less 1000 $(($(now_ms) - start)) "ms from the death to the end of the job"
}

# The script was there first: its number of units counts, and the semaphore stays as long as it wants it.
test_script_came_first() {
	shared_limit 0x59001236
	hold 0x59001236 <"$DIR/pipe" >"$DIR/script" &
	wait_until 5 has_line "$DIR/script" held
	start_master
	assert_logged "already used by another program"
	submit limited 1
	wait_until 5 is shared job_field "$JOB" waits_for_limit
	echo go >&5
	wait_until 5 is "done" job_state "$JOB"
	stop_master
	assert_equal 1 "$(grep -c 1493176886 /proc/sysvipc/sem)" "semaphores of the script after our end"
	echo end >&5
	wait
	ipcrm -S 0x59001236 || fail "ipcrm: exit code $?"
}

test_two_limits_in_any_order() {
	local _
	write_ini <<-EOF
		[limit:a]
		max = 1
		[limit:b]
		max = 1
		[pool:ab]
		plugin = $PLUGINS/exclusive.so
		workers = 2
		limits = a, b
		option.file = $DIR/both
		[pool:ba]
		plugin = $PLUGINS/exclusive.so
		workers = 2
		limits = b, a
		option.file = $DIR/both
	EOF
	start_master
	for _ in 1 2 3 4 5; do
		submit ab 10
		submit ba 10
	done
	wait_until 10 is 10 jobs_in_state "done"
}
