# shellcheck shell=bash
# inbox.sh - a pool with an inbox: messages become jobs, whatever happens to the master.

. "${BASH_SOURCE[0]%/*}/inbox_lib.sh"

job_of_tag() { # TAG
	ym jobs --json | sed -n "s/^{\"id\": \([0-9]*\),.*\"tag\": \"$1\".*/\1/p"
}

test_messages_become_jobs() { # sanitized
	with_inbox
	start_master
	message "1 0"
	message '{"payload": "2 0", "tag": "two"}'
	wait_until 5 has_lines "$DIR/ledger" 2
	wait_until 5 is 0 waiting_messages
	wait_until 5 is "done" job_state "$(job_of_tag two)"
}

# They wait in the kernel, which a participant keeps there.
test_sent_while_there_is_no_master() { # sanitized
	with_inbox
	start_master
	message "1 60000"
	wait_until 5 has_lines "$DIR/ledger" 1
	slay "$MASTER"
	message "2 0"
	message "3 0"
	assert_equal 2 "$(waiting_messages)" "messages without a master"
	start_master
	wait_until 5 is 0 waiting_messages
	stop_master --now
}

# Once with a key that was chosen, then with its own.
test_key_is_configured_no_more() { # sanitized
	touch "$DIR/chosen"
	with_inbox "inbox_key = $DIR/chosen:k"
	start_master
	expect 0 "$YARDMASTER" msg send "$DIR/chosen:k" 5 "1 0"
	wait_until 5 has_lines "$DIR/ledger" 2
	slay "$MASTER"
	sed -i '/^inbox_key/d' "$INI"
	# Its worker has kept the list of objects.
	start_master
	message "2 0"
	wait_until 5 has_lines "$DIR/ledger" 4
	stop_master
	assert_equal 0 "$(ipc_objects)" "IPC objects"
}

send_numbers() { # FROM TO
	local i
	for ((i = $1; i <= $2; i++)); do
		"$YARDMASTER" msg send "$DIR/run/inbox.ledger:y" 1 "$i 0" || fail "message $i"
	done
}

# Killed at any moment: each at least once.
test_master_killed_again_and_again() {
	local i sender
	with_inbox "workers = 2"
	start_master
	# Its worker keeps the instance.
	submit ledger "0 60000"
	for ((i = 0; i < 10; i++)); do
		send_numbers $((i * 100 + 1)) $((i * 100 + 100)) &
		sender=$!
		sleep "0.0$((RANDOM % 10))"
		slay "$MASTER"
		start_master
		wait "$sender" || fail "the sender of round $i"
	done
	wait_until 30 is 0 waiting_messages
	wait_until 30 is 1001 different_numbers
	stop_master --now
}

test_answer() { # sanitized
	with_inbox
	start_master
	expect 0 "$YARDMASTER" msg get 0x59000021
	message '{"payload": "1 0", "tag": "t", "reply": "0x59000021", "reply_type": 7}'
	expect 0 "$YARDMASTER" msg recv 0x59000021 7 --wait 10s
	assert_contains '"tag": "t", "state": "done"' "$OUT" "the answer"
	message '{"payload": "nonsense", "reply": "0x59000021", "reply_type": 8}'
	expect 0 "$YARDMASTER" msg recv 0x59000021 8 --wait 10s
	assert_contains '"state": "failed", "result": null, "error": "' "$OUT" "the answer of a failure"
	expect 0 "$YARDMASTER" msg rm 0x59000021
	message '{"payload": "2 0", "reply": "0x59000021"}'
	wait_until 5 logged "there is no queue of key 0x59000021"
}

test_unique() { # sanitized
	with_inbox
	start_master
	message '{"payload": "1 60000", "unique": "k"}'
	message '{"payload": "2 0", "unique": "k"}'
	message '{"payload": "3 0"}'
	wait_until 5 is 0 waiting_messages
	assert_equal 2 "$(ym jobs --json | grep -c '"id"')" "jobs of three messages"
	stop_master --now
}

test_nobody_waits_in_vain() { # sanitized
	with_inbox
	start_master
	expect 0 "$YARDMASTER" msg get 0x59000022
	message '{"payload": "1 0", "unique": "k", "delay": "1h", "tag": "first", "reply": "0x59000022", "reply_type": 7}'
	wait_until 5 is delayed eval 'job_state "$(job_of_tag first)"'
	message '{"payload": "2 0", "unique": "k", "tag": "again", "reply": "0x59000022", "reply_type": 8}'
	expect 0 "$YARDMASTER" msg recv 0x59000022 8 --wait 10s
	assert_contains "\"id\": $(job_of_tag first), \"tag\": \"again\", \"state\": \"duplicate\"" "$OUT" "a duplicate"
	expect 0 ym delete "$(job_of_tag first)"
	expect 0 "$YARDMASTER" msg recv 0x59000022 7 --wait 10s
	assert_contains '"tag": "first", "state": "cancelled"' "$OUT" "one that was deleted"
	expect 0 "$YARDMASTER" msg rm 0x59000022
}

# The size that the kernel gives for such a file is not that of its content.
test_file_of_another_size() { # sanitized
	with_inbox
	start_master
	message '{"payload": null, "file": "/proc/self/nothing", "tag": "lost"}'
	message '{"payload": null, "file": "/proc/version", "tag": "odd"}'
	message '{"payload": "3 0", "tag": "next"}'
	wait_until 5 is "done" eval 'job_state "$(job_of_tag next)"'
	wait_until 5 is failed eval 'job_state "$(job_of_tag odd)"'
	assert_equal "" "$(job_of_tag lost)" "a file that is not there"
}

test_refused() { # sanitized
	with_inbox
	start_master
	message '{"payload": "1 0", "prio": 3}'
	message "2 0"
	wait_until 5 has_lines "$DIR/ledger" 1
	assert_logged 'pool ledger: inbox: a message (type 5, 29 bytes, last sender pid '
	assert_logged 'an envelope has no key "prio": did you mean "priority"?; kept as '
	assert_equal '{"payload": "1 0", "prio": 3}' "$(cat "$DIR"/run/rejected/ledger/*.type-5)" "what is kept"
}

# The queue is removed by hand: another one is made.
test_queue_removed() { # sanitized
	with_inbox
	start_master
	expect 0 "$YARDMASTER" msg rm "$DIR/run/inbox.ledger:y"
	wait_until 5 "$YARDMASTER" msg stat "$DIR/run/inbox.ledger:y"
	message "1 0"
	wait_until 5 has_lines "$DIR/ledger" 1
}

# The thread of the inbox does not hold the end up.
test_stop_is_prompt() { # sanitized
	local before
	with_inbox
	start_master
	before=$(now_ms)
	stop_master
	assert_less 3000 $(($(now_ms) - before)) "milliseconds to stop"
	assert_equal 0 "$(ipc_objects)" "objects"
}
