# shellcheck shell=bash
# takeover.sh - the master is killed; what it has started goes on, and the next master goes on with it.

# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/load.sh"

next_master() {
	: >"$LOG"
	start_master
}

pause() { # UP TO MILLISECONDS
	sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}

said_more() { # FILE THAN
	(($(last_line "$1") > $2))
}

# Lines come again from a program that an earlier master has started.
assert_goes_on_saying() { # FILE
	local last
	last=$(last_line "$1")
	wait_until 10 said_more "$1" "$last"
}

# ---- everything at once -----------------------------------------------------------------------------------------------

test_master_killed_100_times() {
	local workers programs i
	load_ini
	start_load
	workers=$(load_workers)
	programs=$(program_pids)
	start_feeding
	for ((i = 0; i < 100; i++)); do
		slay "$MASTER"
		pause 60
		launch_master
		# Not all get as far as that they are up.
		pause 200
	done
	slay "$MASTER"
	next_master
	end_feeding
	assert_equal "$workers" "$(load_workers)" "workers"
	assert_equal "$programs" "$(program_pids)" "processes of programs"
	assert_equal 3 "$(wc -l <"$DIR/starts")" "starts of programs"
	assert_not_doubled
	assert_goes_on_saying "$DIR/tick_0.out"
	assert_goes_on_saying "$DIR/tick_1.out"
	assert_goes_on_saying "$DIR/other.out"
	assert_equal 0 "$(cell limited CRASHES)" "crashes"
	assert_equal 0 "$(cell units USED)" "units in use"
	# What was started by hand, and by another master, is stopped with the rest.
	stop_master
	assert_equal 0 "$(ipc_objects)" "IPC objects"
}

# Programs that end all the time: the master is killed while it starts them, and none is there twice.
test_master_killed_while_it_starts_programs() {
	local i seen=0
	cat >"$DIR/short" <<-'PERL'
		my ($name, $starts, $lock) = @ARGV;
		use Fcntl ":flock";
		open my $out, ">>", $starts or die;
		open my $mine, ">", "$lock.$name" or die;
		syswrite $out, flock($mine, LOCK_EX | LOCK_NB) ? "$name $$\n" : "doubled $name $$\n";
		select undef, undef, undef, 0.02 + rand 0.05;
	PERL
	write_ini <<-INI
		[program:short]
		command = /usr/bin/perl $DIR/short %(process_num)s $DIR/starts $DIR/lock
		process_name = short_%(process_num)s
		numprocs = 12
		startsecs = 0
		restart_delay = 1ms
		restart_max_delay = 1ms
	INI
	touch "$DIR/starts"
	for ((i = 0; i < 60; i++)); do
		launch_master
		# It has started some, however slow the machine is.
		wait_until 20 has_lines "$DIR/starts" $((seen + RANDOM % 10))
		slay "$MASTER"
		seen=$(wc -l <"$DIR/starts")
	done
	next_master
	assert_not_doubled
}

# ---- one by one -----------------------------------------------------------------------------------------------------

started() { # LINES
	has_lines "$LEDGER" "$1"
}

ledger_pool() { # LINES FOR THE POOL...
	printf '%s\n' "[pool:plain]" "plugin = $PLUGINS/ledger.so" "option.file = $LEDGER" "$@"
}

done_times() { # ID
	grep -c "^done $1 " "$LEDGER"
}

test_a_worker_dies_between_two_masters() { # sanitized
	local pid other
	write_ini <<<"$(ledger_pool "workers = 2")"
	start_master
	submit plain "1 600"
	wait_until 5 started 1
	pid=$(awk 'NR == 1 {print $3}' "$LEDGER")
	other=$(worker_pids plain | grep -vx "$pid")
	slay "$MASTER"
	kill -KILL "$pid"
	wait_until 5 ended "$pid"
	next_master
	expect 0 ym wait "$JOB"
	assert_equal 1 "$(done_times 1)" "ends of the job"
	assert_equal 2 "$(job_field "$JOB" attempt)" "attempts"
	assert_equal 1 "$(job_field "$JOB" crashes)" "crashes"
	wait_until 5 is 2 eval 'worker_pids plain | wc -l'
	worker_pids plain | grep -qx "$other" || fail "the other worker ($other) is not there any more"
	expect 0 ym show "$JOB"
	assert_contains "worker $pid ended at " "$OUT" "the story of the job"
	assert_equal 1 "$(cell plain CRASHES)" "workers that died"
}

# What somebody has started by hand is stopped as well, although this master has not started it.
test_a_program_started_by_hand() { # sanitized
	local pid
	write_ini <<-INI
		[program:hand]
		command = sleep 1000
		autostart = false
		[program:waits]
		command = sleep 1000
		depends_on = slow
		[program:slow]
		command = sleep 1000
		ready = delay:5s
		autostart = false
	INI
	start_master
	expect 0 ym start hand
	wait_until 5 is RUNNING cell_of_program hand 2
	pid=$(cell_of_program hand 3)
	slay "$MASTER"
	next_master
	assert_logged "program hand (pid $pid) of an earlier master is taken over"
	assert_equal "$pid" "$(cell_of_program hand 3)" "its pid"
	expect 0 ym stop hand --wait
	wait_until 5 ended "$pid"
	expect 0 ym start hand
	wait_until 5 is RUNNING cell_of_program hand 2
	slay "$MASTER"
	next_master
	stop_master
}

cell_of_program() { # NAME COLUMN
	ym status | awk -v name="$1" -v column="$2" '$1 == name {print $column; exit}'
}

# The pipe of a dead master holds 64 KiB; what has been waiting in it arrives first.
test_output_of_what_is_taken_over() { # sanitized
	local pid
	write_tasks
	write_ini <<-INI
		[program:tick]
		command = /usr/bin/perl $DIR/ticker tick $DIR/starts $DIR/lock
		stdout_logfile = $DIR/tick.out
		[pool:print]
		plugin = $PLUGINS/print.so
	INI
	start_master
	wait_until 10 has_lines "$DIR/tick.out" 20
	pid=$(cell_of_program tick 3)
	slay "$MASTER"
	# Only between two of its lines was nothing read and not written.
	sleep 0.3
	next_master
	assert_goes_on_saying "$DIR/tick.out"
	assert_equal "$pid" "$(cell_of_program tick 3)" "its pid"
	assert_not_doubled
	assert_equal "" "$(grep -Ev '^tick line [0-9]{7} end$' "$DIR/tick.out" | sed -n '2,$p')" "lines that are not whole"
	expect 0 ym submit print $'after the death of the master\n' --wait
	wait_until 5 logged "after the death of the master"
}

has_none_of() { # POOL PIDS
	[[ $(worker_pids "$1" | wc -l) == 2 && -z $(comm -12 <(worker_pids "$1" | sort) <(sort <<<"$2")) ]]
}

# Another option, another plugin file: found by the next master, replaced after their jobs.
test_stale_workers_are_replaced() { # sanitized
	local before
	cp "$PLUGINS/ledger.so" "$DIR/task.so"
	write_ini <<<"$(ledger_pool "workers = 2" | sed "s|^plugin = .*|plugin = $DIR/task.so|")"
	start_master
	wait_until 5 is 2 eval 'worker_pids plain | wc -l'
	before=$(worker_pids plain)
	submit plain "1 700"
	wait_until 5 started 1
	slay "$MASTER"
	next_master
	assert_equal "$before" "$(worker_pids plain)" "workers when nothing has changed"
	slay "$MASTER"
	cp "$PLUGINS/ledger.so" "$DIR/new.so"
	mv "$DIR/new.so" "$DIR/task.so"
	next_master
	assert_logged "to be replaced: it was started with other options"
	wait_until 10 has_none_of plain "$before"
	assert_equal 1 "$(done_times 1)" "ends of the job that ran"
	assert_equal 1 "$(job_field "$JOB" attempt)" "its attempts"
	before=$(worker_pids plain)
	slay "$MASTER"
	echo "option.more = yes" >>"$INI"
	next_master
	wait_until 10 has_none_of plain "$before"
}

# ---- nobody comes -----------------------------------------------------------------------------------------------------

test_orphans_end() { # sanitized
	local start
	write_ini "orphan_timeout = 2s" <<<"$(ledger_pool "workers = 2")"
	start_master
	wait_until 5 is 2 eval 'worker_pids plain | wc -l'
	start=$(now_ms)
	submit plain "1 3500"
	wait_until 5 started 1
	slay "$MASTER"
	wait_until 20 is 0 ipc_objects
	(($(now_ms) - start >= 3500)) || fail "all has ended after $(($(now_ms) - start)) ms"
	assert_equal 1 "$(done_times 1)" "ends of the job that ran"
	start_master
	assert_equal 1 "$(wc -l < <(grep -v '^done' "$LEDGER"))" "runs of the job"
}

# The time counts anew from the death of each master.
test_orphans_that_are_adopted_in_time() { # sanitized
	local before i
	write_ini "orphan_timeout = 3s" <<<"$(ledger_pool "workers = 2")"
	start_master
	wait_until 5 is 2 eval 'worker_pids plain | wc -l'
	before=$(worker_pids plain)
	for i in 1 2 3; do
		slay "$MASTER"
		# The longest it may take, not a time to wait for something.
		sleep 1.5
		next_master
		assert_equal "$before" "$(worker_pids plain)" "workers of master $i"
		expect 0 ym submit plain "$i 10" --wait
	done
	slay "$MASTER"
	wait_until 20 is 0 ipc_objects
	start_master
}
