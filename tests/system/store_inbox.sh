# shellcheck shell=bash
# store_inbox.sh - an inbox with a store behind the table: a message leaves the queue when its job is on the disk.

. "${BASH_SOURCE[0]%/*}/inbox_lib.sh"
# shellcheck disable=SC2034 # inbox_lib.sh looks at it
STORE="store = sqlite:$DIR/jobs.db"

# The numbers FROM to TO; one process, as fast as the queue takes them.
flood() { # FROM TO
	perl -e '
		my ($key, $from, $to) = @ARGV;
		my $id = msgget(hex($key), 0);
		defined $id or die "msgget: $!";
		for my $i ($from .. $to) {
			until (msgsnd($id, pack("l! a*", 1, "$i 0"), 0)) { $!{EINTR} or die "msgsnd: $!" }
		}' "$KEY" "$1" "$2"
}

note_key() {
	KEY=$(ym ipc ls | awk '$2 == "inbox.ledger" || $3 == "inbox.ledger" {for (i = 1; i <= NF; i++) if ($i ~ /^0x/) {print $i; exit}}')
	[[ $KEY == 0x* ]] || fail "the key of the inbox is not in $(ym ipc ls)"
}

test_store_messages_become_jobs() {
	with_inbox
	start_master
	message "1 0"
	message '{"payload": "2 0", "tag": "two"}'
	wait_until 5 has_lines "$DIR/ledger" 2
	wait_until 5 is 0 waiting_messages
	expect 0 ym jobs --tag two --json
	assert_contains '"tag": "two"' "$OUT" "the job in the store"
	stop_master
}

# The order of the messages is that of the jobs, and none comes twice while nobody is killed.
test_store_flood_in_order() {
	with_inbox
	start_master
	note_key
	flood 1 3000
	wait_until 30 is 0 waiting_messages
	wait_until 30 is 3000 different_numbers
	numbers >"$DIR/ran"
	seq 3000 >"$DIR/wanted"
	assert_same_file "$DIR/wanted" "$DIR/ran" "the order of the jobs"
	stop_master
}

# Killed at any moment: each at least once, and twice only what was on its way.
test_store_master_killed_in_the_flood() {
	local i sender twice
	with_inbox "workers = 2"
	start_master
	note_key
	# Its worker keeps the instance.
	submit ledger "0 60000"
	for ((i = 0; i < 6; i++)); do
		flood $((i * 1000 + 1)) $((i * 1000 + 1000)) &
		sender=$!
		sleep "0.0$((RANDOM % 10))"
		slay "$MASTER"
		start_master
		wait "$sender" || fail "the sender of round $i"
	done
	wait_until 60 is 0 waiting_messages
	wait_until 60 is 6001 different_numbers
	twice=$(($(numbers | wc -l) - 6001))
	assert_less $((6 * 257)) "$twice" "jobs that ran twice"
	stop_master --now
}

# Everything is killed: what left the queue is in the store.
test_store_all_killed() {
	with_inbox "workers = 1"
	start_master
	note_key
	expect 0 ym pause ledger
	flood 1 500
	wait_until 20 is 0 waiting_messages
	# shellcheck disable=SC2046 # a list
	slay "$MASTER" $(guardian_pid) $(worker_pids ledger)
	ipcrm --all 2>/dev/null
	start_master
	ym resume ledger >/dev/null
	wait_until 30 is 500 different_numbers
	assert_equal 500 "$(numbers | wc -l)" "jobs that ran"
	stop_master
}

# The program changes while messages are on their way: those that are jobs have left the queue.
test_store_upgraded_in_the_flood() {
	local i sender
	with_inbox "workers = 1"
	start_master
	note_key
	for ((i = 0; i < 4; i++)); do
		flood $((i * 2000 + 1)) $((i * 2000 + 2000)) &
		sender=$!
		sleep "0.$((RANDOM % 3))"
		expect 0 ym upgrade --wait
		wait "$sender" || fail "the sender of round $i"
	done
	wait_until 60 is 0 waiting_messages
	wait_until 60 is 8000 different_numbers
	assert_equal 8000 "$(numbers | wc -l)" "jobs that ran"
	stop_master
}

# The disk is full: messages wait in the queue, and the loop goes on.
test_store_in_trouble() {
	local before
	[[ $(id -u) == 0 ]] || skip "only root can mount a small disk"
	mkdir "$DIR/disk"
	mount -t tmpfs -o size=1m none "$DIR/disk" 2>/dev/null || skip "no mount() here"
	with_inbox
	sed -i "s|^store = .*|store = sqlite:$DIR/disk/jobs.db|" "$INI"
	start_master
	message "1 0"
	wait_until 5 has_lines "$DIR/ledger" 1
	dd if=/dev/zero of="$DIR/disk/filler" bs=4k 2>/dev/null
	note_key
	# More than fits into what sqlite has left of its files.
	perl -e 'my $id = msgget(hex($ARGV[0]), 0);
		for (1 .. 400) { msgsnd($id, pack("l! a*", 1, ($_ + 1) . " 0" . (" " x 4000)), 0) or die $! }' "$KEY" &
	CLIENT=$!
	wait_until 10 logged "messages wait in the queue"
	before=$(now_ms)
	expect 1 ym status
	assert_contains "is in trouble" "$ERR" "status while the disk is full"
	assert_less 2000 $(($(now_ms) - before)) "milliseconds for a command while the disk is full"
	rm "$DIR/disk/filler"
	mount -o remount,size=64m "$DIR/disk"
	wait "$CLIENT" || fail "the sender"
	wait_until 30 is 0 waiting_messages
	wait_until 30 is 401 different_numbers
	assert_equal 401 "$(numbers | wc -l)" "jobs that ran"
	assert_less 10 "$(grep -c "messages wait in the queue" "$LOG")" "lines about it"
	stop_master
	umount "$DIR/disk"
}

# Nobody is told of a job that another message has already asked for.
test_store_duplicate() {
	with_inbox
	start_master
	expect 0 "$YARDMASTER" msg get 0x59000023
	message '{"payload": "1 0", "unique": "k", "delay": "1h", "tag": "first"}'
	message '{"payload": "2 0", "unique": "k", "tag": "again", "reply": "0x59000023", "reply_type": 8}'
	expect 0 "$YARDMASTER" msg recv 0x59000023 8 --wait 10s
	assert_contains '"tag": "again", "state": "duplicate"' "$OUT" "a duplicate"
	expect 0 "$YARDMASTER" msg rm 0x59000023
	stop_master --now
}
