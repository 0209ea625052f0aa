# shellcheck shell=bash
# hasty.sh - a client is stopped while it holds the lock of the job lists: the master neither hangs nor loses anything.

STORE=$DIR/jobs.db
LEDGER=$DIR/ledger
HOLDER= # pid of who has the lock

start_stored() { # LINES FOR [YARDMASTER]...
	write_ini "jobs = 64" "$@" <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		workers = 2
		option.file = $LEDGER
	EOF
	touch "$LEDGER"
	start_master
}

hold_lock() {
	"$BUILD/tests/lock_holder" "$DIR/run" &
	HOLDER=$!
	wait_until 10 is_stopped "$HOLDER"
}

is_stopped() { # PID
	grep -qs '^State:.T' "/proc/$1/status"
}

let_lock_go() {
	kill -CONT "$HOLDER"
	wait "$HOLDER"
	assert_equal 0 $? "exit code of who had the lock"
}

# One job is done, others wait in the paused pool; then the lock is taken.
prepare() {
	submit ledger "1 0"
	wait_until 10 has_lines "$LEDGER" 2
	expect 0 ym pause ledger
	submit ledger "2 0"
	submit ledger "3 0" --delay 1s
	hold_lock
}

# All three have been done, each once.
assert_done() {
	expect 0 ym resume ledger
	wait_until 20 has_lines "$LEDGER" 6
	assert_equal "1 2 3" "$(awk '$1 == "done" {print $2}' "$LEDGER" | sort | xargs)" "jobs that were done"
	assert_equal 6 "$(wc -l <"$LEDGER")" "lines of starts and ends"
}

recorded_as_done() { # NUMBER
	(($(sqlite3 -readonly "$STORE" "SELECT count(*) FROM jobs WHERE state = 'done'") == $1))
}

test_stop_while_the_lock_is_held() {
	start_stored "store = sqlite:$STORE"
	prepare
	expect 0 ym status
	stop_master
	assert_logged "process $HOLDER holds the lock of the job lists and does not go on"
	assert_logged "what is in the table is left there"
	# The next one comes up all the same.
	start_master
	let_lock_go
	assert_done
	wait_until 10 recorded_as_done 3
	stop_master
}

test_upgrade_while_the_lock_is_held() {
	local before
	start_stored "store = sqlite:$STORE"
	prepare
	before=$MASTER
	expect 0 ym upgrade --wait
	assert_contains "runs (master pid $before," "$OUT" "upgrade --wait"
	assert_logged "what is in the table is left there"
	let_lock_go
	assert_done
	wait_until 10 recorded_as_done 3
	stop_master
}

test_stop_while_the_lock_is_held_without_a_store() {
	start_stored
	prepare
	stop_master
	start_master
	let_lock_go
	assert_done
	stop_master
}

# Who dies with it while the master ends.
test_the_holder_is_killed() {
	start_stored "store = sqlite:$STORE"
	prepare
	slay "$HOLDER"
	assert_done
	stop_master
	recorded_as_done 3 || fail "not all is recorded: $(sqlite3 -readonly "$STORE" 'SELECT id, state FROM jobs')"
	assert_equal 0 "$(ipc_objects)" "IPC objects that are left"
}
