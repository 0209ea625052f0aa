# shellcheck shell=bash
# ground.sh - somebody removes the IPC objects under a running instance: it is noticed, said, made anew; no job is lost.

# A pool at work, one with a limit, one without jobs, and a program that has nothing to do with all that.
instance() {
	write_ini <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		workers = 2
		stopwaitsecs = 20s
		[pool:echo]
		plugin = $PLUGINS/echo.so
		limits = two
		[pool:idle]
		plugin = $PLUGINS/echo.so
		[limit:two]
		max = 2
		[program:nap]
		command = sleep 1000
		start_order = 2000
	EOF
	start_master
	wait_until 10 is RUNNING program_field state
}

program_field() { # FIELD
	ym status --json | sed -n "s/.*\"program\": \"nap\",[^}]*\"$1\": \"\{0,1\}\([^\",}]*\).*/\1/p"
}

id_of() { # KIND NAME
	ym ipc ls | awk -v kind="$1" -v name="$2" '$1 == kind && $2 == name {print $4}'
}

# Remove one of them: as `ipcrm` does, whoever uses it.
remove() { # KIND NAME
	local id
	id=$(id_of "$1" "$2")
	[[ -n $id ]] || fail "no $1 $2: $(ym ipc ls)"
	case $1 in
	semaphore) ipcrm -s "$id" ;;
	segment) ipcrm -m "$id" ;;
	queue) ipcrm -q "$id" ;;
	esac || fail "ipcrm of $1 $2: exit code $?"
}

done_jobs() {
	awk '$1 == "done" {print $2}' "$DIR/ledger" 2>/dev/null | sort -u | wc -l
}

# Two run, four wait, one is delayed.
submit_seven() {
	local i
	for i in 1 2; do
		submit ledger "$i 1500"
	done
	wait_until 10 has_lines "$DIR/ledger" 2
	for i in 3 4 5 6; do
		submit ledger "$i 10"
	done
	submit ledger "7 10" --delay 200ms
}

# Each has run once: those that were at work have finished it.
seven_are_done() {
	wait_until 20 is 7 done_jobs
	assert_equal 7 "$(grep -c '^[0-9]' "$DIR/ledger")" "attempts of seven jobs"
	assert_equal 7 "$(grep -c '^done' "$DIR/ledger")" "ends of seven jobs"
}

works_again() {
	expect 0 ym submit echo again --wait --timeout 10s
	assert_equal again "$OUT" "result"
}

# Everything is made anew when an object is removed that holds more than wake-ups.
loses() { # KIND NAME
	local nap
	instance
	nap=$(program_field pid)
	submit_seven
	remove "$1" "$2"
	wait_until 20 logged "somebody removed our IPC objects"
	wait_until 20 logged "the IPC objects were made anew, the pools start again"
	seven_are_done
	works_again
	assert_equal "$nap" "$(program_field pid)" "pid of the program"
	assert_equal 1 "$(program_field starts)" "starts of the program"
	assert_equal 1 "$(grep -c "the IPC objects were made anew" "$LOG")" "generations made anew"
	stop_master
	assert_equal 0 "$(backlogs)" "backlog files"
}

test_table() { # sanitized
	loses segment table
	assert_logged 'the IPC object "table" has gone'
}

test_board() { # sanitized
	loses segment board
	assert_logged 'the IPC object "board" has gone'
}

test_registry() { # sanitized
	loses segment members
}

test_semaphore_set() { # sanitized
	loses semaphore members
}

test_everything() { # sanitized
	local nap
	instance
	nap=$(program_field pid)
	submit_seven
	ipcrm -a || fail "ipcrm -a: exit code $?"
	wait_until 20 logged "the IPC objects were made anew, the pools start again"
	seven_are_done
	works_again
	assert_equal "$nap" "$(program_field pid)" "pid of the program"
}

# A queue holds wake-ups only: another one is enough, nobody has to stop.
test_queue() { # sanitized
	instance
	submit_seven
	remove queue queue.ledger
	wait_until 10 logged "pool ledger: its queue had been removed by hand; made again"
	seven_are_done
	submit ledger "8 0"
	wait_until 10 is 8 done_jobs
	works_again
	assert_equal 0 "$(grep -c "somebody removed our IPC objects" "$LOG")" "generations that were lost"
}

# ... also when everybody sleeps in it.
test_queue_of_a_pool_without_jobs() { # sanitized
	instance
	wait_until 10 is 2 eval 'worker_pids ledger | wc -l'
	remove queue queue.ledger
	submit ledger "1 0"
	wait_until 10 is 1 done_jobs
	wait_until 10 is 2 eval 'worker_pids ledger | wc -l'
}

test_limit() {
	instance
	works_again
	remove semaphore limit.two
	wait_until 10 logged "limit two: its semaphore had been removed; made again"
	works_again
}

# The list of objects goes with them: what was made again now would be in no list, and be left behind by who is killed.
test_nothing_is_made_again_without_the_list() { # sanitized
	local part
	instance
	kill -STOP "$MASTER"
	for part in "segment members" "queue queue.ledger" "semaphore limit.two"; do
		# shellcheck disable=SC2086 # two words on purpose
		remove $part
	done
	kill -CONT "$MASTER"
	wait_until 20 logged "the IPC objects were made anew, the pools start again"
	works_again
	assert_lacks "had been removed" "$(<"$LOG")" "log"
}

# What somebody has said by hand holds on new ground, too.
test_orders_last() {
	instance
	expect 0 ym stop idle --wait
	expect 0 ym scale ledger 3
	expect 0 ym pause ledger
	ipcrm -a || fail "ipcrm -a: exit code $?"
	wait_until 20 logged "the IPC objects were made anew, the pools start again"
	works_again
	wait_until 10 is 3 eval 'worker_pids ledger | wc -l'
	assert_equal "" "$(worker_pids idle)" "workers of the pool that was stopped"
	assert_contains paused "$(ym status | grep '^ledger')" "status of the pool that was paused"
	expect 0 ym resume ledger
}

# Once more, before the jobs of the first time are done.
test_again_and_again() {
	local times
	instance
	submit_seven
	for times in 1 2 3; do
		ipcrm -a || fail "ipcrm -a: exit code $?"
		wait_until 20 logged "the IPC objects were made anew, the pools start again" "$times"
	done
	seven_are_done
	works_again
}

# The kernel has no room for new ones for a while.
test_no_room_for_new_ones() { # sanitized
	local limit=/proc/sys/kernel/shmmni before
	[[ -w $limit ]] || skip "$limit cannot be written"
	instance
	before=$(<$limit)
	submit_seven
	echo 0 >$limit
	ipcrm -a || fail "ipcrm -a: exit code $?"
	wait_until 20 logged "the IPC objects cannot be made anew" 2
	expect 3 ym submit echo x
	echo "$before" >$limit
	wait_until 20 logged "the IPC objects were made anew, the pools start again"
	seven_are_done
	works_again
}

test_in_a_stop() { # sanitized
	instance
	submit_seven
	"$YARDMASTER" stop -c "$INI" --timeout 20s &
	wait_until 10 logged "stopping: waiting for running jobs"
	ipcrm -a || fail "ipcrm -a: exit code $?"
	wait $!
	wait "$MASTER"
	MASTER=
	assert_equal 2 "$(done_jobs)" "jobs that were running"
	assert_equal 1 "$(backlogs)" "backlog files"
	start_master
	seven_are_done
}
