# shellcheck shell=bash
# msg.sh - message queues on the command line.

KEY=0x3e55

msg() { # SUBCOMMAND ARGUMENTS...
	"$YARDMASTER" msg "$1" "$KEY" "${@:2}"
}

make_queue() {
	expect 0 msg get
}

remove() {
	expect 0 msg rm
	assert_equal 0 "$(ipc_objects)" "objects"
}

# A number of `msg stat`.
state() { # NAME
	msg stat --json | sed -n "s/.*\"$1\": \\([0-9]*\\).*/\\1/p"
}

# The next message, byte for byte, is what the file holds.
assert_receives() { # FILE RECV'S ARGUMENTS...
	msg recv "${@:2}" >"$DIR/received" || fail "recv: exit code $?"
	assert_same_file "$1" "$DIR/received" "received message"
}

# In an interruptible sleep, as in msgsnd() and msgrcv(); the program sleeps in nothing else on its way there.
sleeps() { # PID
	grep -q '^State:.S' "/proc/$1/status" && [[ $(tr '\0' ' ' <"/proc/$1/cmdline") == "$YARDMASTER "* ]]
}

all_bytes() {
	printf '%b' "$(printf '\\x%02x' {0..255})"
}

test_get_stat_set_rm() { # sanitized
	expect 1 msg stat
	assert_contains "there is no queue of key 0x00003e55: make one with \`yardmaster msg get $KEY\`" "$ERR" "no queue"
	for command in "send 1 x" "recv" "peek" "set --mode 600" "rm"; do
		# shellcheck disable=SC2086 # several words
		expect 1 msg $command
	done
	expect 0 msg get --mode 640
	assert_contains "queue 0x00003e55 (id " "$OUT" "get"
	assert_contains "0 messages, 0 of " "$OUT" "get"
	assert_contains "mode 640" "$OUT" "get"
	expect 0 msg get
	assert_contains "mode 640" "$OUT" "get of an old one"
	expect 0 msg send 7 hello
	expect 0 msg stat
	assert_contains "1 messages, 5 of " "$OUT" "stat"
	expect 0 msg set --capacity 1000 --mode 600 --uid 0 --gid 0
	assert_contains "5 of 1000 bytes, owner uid 0 gid 0, mode 600" "$OUT" "set"
	expect 2 msg set
	assert_contains "nothing to set" "$ERR" "set without options"
	expect 2 msg set --capacity -1
	expect 2 msg set --mode 9
	expect 0 msg stat --json
	assert_contains '"messages": 1, "bytes": 5, "capacity": 1000,' "$OUT" "stat"
	assert_contains '"mode": "600"}' "$OUT" "stat"
	expect 0 msg rm
	assert_contains "removed with 1 message in it" "$OUT" "rm"
	make_queue
	assert_contains "mode 600" "$OUT" "default mode"
	remove
}

test_order_and_types() { # sanitized
	make_queue
	expect 0 msg send 5 five
	expect 0 msg send 3 three
	expect 0 msg send 9 nine
	expect 0 msg send 4 four
	expect 0 msg send 3 again
	expect 0 msg recv 9
	assert_equal nine "$OUT" "type 9"
	# The lowest type up to 4, the oldest of it first.
	expect 0 msg recv -4
	assert_equal three "$OUT" "type -4"
	expect 0 msg recv 5 --except
	assert_equal four "$OUT" "any but 5"
	expect 0 msg recv
	assert_equal five "$OUT" "the oldest"
	expect 1 msg recv 5 --no-wait
	assert_contains "no such message" "$ERR" "no type 5"
	expect 0 msg recv 0 --json
	assert_equal '{"type": 3, "size": 5, "message": "again"}' "$OUT" "JSON"
	expect 1 msg recv --no-wait
	assert_contains "queue 0x00003e55: no message" "$ERR" "empty queue"
	remove
}

test_binary_empty_and_long() { # sanitized
	local most
	most=$(</proc/sys/kernel/msgmax)
	make_queue
	all_bytes >"$DIR/binary"
	assert_equal 256 "$(stat -c %s "$DIR/binary")" "all bytes"
	: >"$DIR/empty"
	head -c "$most" /dev/urandom >"$DIR/long"
	expect 0 msg send 1 - <"$DIR/binary"
	expect 0 msg send 1 ''
	expect 0 msg send 1 - <"$DIR/empty"
	expect 0 msg send 1 - <"$DIR/long"
	assert_receives "$DIR/binary"
	assert_receives "$DIR/empty"
	assert_receives "$DIR/empty"
	assert_receives "$DIR/long"
	# One byte too many, and far too many.
	head -c $((most + 1)) /dev/zero >"$DIR/longer"
	expect 4 msg send 1 - <"$DIR/longer"
	assert_contains "kernel.msgmax" "$ERR" "one byte too many"
	expect 4 msg send 1 - < <(head -c 100000000 /dev/zero)
	assert_contains "the message from stdin is longer than $most bytes" "$ERR" "far too many bytes"
	expect 4 msg send 1 --php - <"$DIR/long"
	assert_contains "$most" "$ERR" "too long once it is serialized"
	assert_equal 0 "$(state messages)" "messages"
	# In pieces, as a pipe may bring it.
	expect 0 msg send 1 - < <(printf 'first '; sleep 0.05; printf 'second')
	expect 0 msg recv
	assert_equal "first second" "$OUT" "stdin in pieces"
	remove
}

test_longer_than_wanted() { # sanitized
	make_queue
	expect 0 msg send 1 0123456789
	expect 4 msg recv --max 4
	assert_contains "10 bytes" "$ERR" "too long a message"
	assert_equal 1 "$(state messages)" "it stays"
	expect 0 msg recv --max 4 --truncate
	assert_equal 0123 "$OUT" "cut off"
	assert_equal 0 "$(state messages)" "it is gone"
	expect 2 msg recv --max 0
	remove
}

test_output_that_fails() {
	make_queue
	expect 0 msg send 1 precious
	"$YARDMASTER" msg recv "$KEY" >/dev/full 2>"$DIR/error"
	assert_equal 4 $? "recv to a full disk"
	assert_contains "write() of a message to stdout: No space left on device" "$(<"$DIR/error")" "recv to a full disk"
	remove
}

test_peek() { # sanitized
	make_queue
	expect 1 msg peek
	assert_contains "has no message number 0" "$ERR" "peek into an empty queue"
	expect 0 msg peek --all
	assert_equal "" "$OUT" "all of an empty queue"
	all_bytes >"$DIR/binary"
	expect 0 msg send 2 "hello there"
	expect 0 msg send 1 - <"$DIR/binary"
	expect 0 msg send 8 --value int:42
	msg peek 1 >"$DIR/received" || fail "peek: exit code $?"
	assert_same_file "$DIR/binary" "$DIR/received" "second message"
	expect 0 msg peek --json
	assert_equal '{"index": 0, "type": 2, "size": 11, "message": "hello there"}' "$OUT" "JSON"
	expect 0 msg peek 2 --php
	assert_equal 42 "$OUT" "decoded"
	expect 1 msg peek 3
	expect 0 msg peek --all
	assert_equal 3 "$(wc -l <"$DIR/out")" "lines of all"
	assert_contains "0  type 2          11 bytes  \"hello there\"" "$OUT" "all"
	assert_contains "2  type 8           5 bytes  \"i:42;\"" "$OUT" "all"
	expect 0 msg peek --all --json
	assert_contains '{"index": 2, "type": 8, "size": 5, "message": "i:42;"}' "$OUT" "all as JSON"
	# What is no value is shown as it is, the rest all the same.
	expect 4 msg peek --all --php --json
	assert_equal 3 "$(wc -l <"$DIR/out")" "lines of all, decoded"
	assert_contains '"message": "hello there", "error": "' "$OUT" "no value"
	assert_contains '{"index": 2, "type": 8, "size": 5, "message": 42}' "$OUT" "a value"
	assert_contains "the message of type 2, 11 bytes, is not serialize()d" "$ERR" "no value"
	expect 2 msg peek -1
	expect 2 msg peek 1 --all
	assert_equal 3 "$(state messages)" "messages are left"
	remove
}

test_php_values() { # sanitized
	make_queue
	expect 0 msg send 1 --php "a\"b"
	expect 0 msg recv
	assert_equal 's:3:"a"b";' "$OUT" "a string as PHP sends it"
	# --php takes the text as it stands, --value reads it.
	expect 0 msg send 1 --php int:42
	expect 0 msg recv
	assert_equal 's:6:"int:42";' "$OUT" "--php"
	expect 0 msg send 1 --value int:42
	expect 0 msg recv
	assert_equal "i:42;" "$OUT" "--value"
	expect 0 msg send 1 --php - < <(printf 'x\n')
	expect 0 msg recv --php --json
	assert_equal '{"type": 1, "size": 9, "message": "x\n"}' "${OUT/\\u000a/\\n}" "a string from stdin"
	expect 0 msg send 1 --value 'json:{"to": "somebody", "tries": [1, 2.5, null, true]}'
	expect 0 msg peek
	assert_equal 'a:2:{s:2:"to";s:8:"somebody";s:5:"tries";a:4:{i:0;i:1;i:1;d:2.5;i:2;N;i:3;b:1;}}' "$OUT" "an array"
	expect 0 msg recv --php --json
	assert_contains '"message": {"to": "somebody", "tries": [1, 2.5, null, true]}}' "$OUT" "the array as JSON"
	expect 0 msg send 1 --value 'php:O:1:"X":0:{}'
	expect 0 msg recv
	assert_equal 'O:1:"X":0:{}' "$OUT" "an object"
	expect 2 msg send 1 --value int:many
	expect 2 msg send 1 --value --php x
	assert_equal 0 "$(state messages)" "messages"
	remove
}

# A message that cannot be decoded has left the queue: its bytes must not be lost.
test_undecodable_message() { # sanitized
	make_queue
	all_bytes >"$DIR/binary"
	expect 0 msg send 1 - <"$DIR/binary"
	msg recv --php >"$DIR/received" 2>"$DIR/error"
	assert_equal 4 $? "recv --php of no value"
	assert_contains "is not serialize()d" "$(<"$DIR/error")" "recv --php of no value"
	assert_same_file "$DIR/binary" "$DIR/received" "the message"
	remove
}

test_full_queue() { # sanitized
	local start sender
	make_queue
	expect 0 msg set --capacity 10
	expect 0 msg send 1 0123456789
	expect 1 msg send 1 x --no-wait
	assert_contains "full" "$ERR" "send to a full queue"
	start=$(now_ms)
	expect 1 msg send 1 x --wait 100ms
	(($(now_ms) - start >= 100)) || fail "send did not wait"
	"$YARDMASTER" msg send "$KEY" 1 waited &
	sender=$!
	wait_until 10 sleeps "$sender"
	expect 0 msg recv
	assert_equal 0123456789 "$OUT" "first message"
	wait "$sender" || fail "the waiting send failed"
	expect 0 msg recv
	assert_equal waited "$OUT" "second message"
	expect 4 msg send 1 01234567890
	assert_contains "11" "$ERR" "longer than the queue"
	remove
}

test_waiting_receiver() { # sanitized
	local start receiver
	make_queue
	start=$(now_ms)
	expect 1 msg recv --wait 100ms
	(($(now_ms) - start >= 100)) || fail "recv did not wait"
	assert_contains "no message came in time" "$ERR" "recv with a time limit"
	"$YARDMASTER" msg recv "$KEY" 3 >"$DIR/received" &
	receiver=$!
	wait_until 10 sleeps "$receiver"
	expect 0 msg send 4 "not for it"
	expect 0 msg send 3 "for it"
	wait "$receiver" || fail "the waiting recv failed"
	assert_equal "for it" "$(<"$DIR/received")" "message"
	assert_equal 1 "$(state messages)" "the other message"
	expect 2 msg recv --wait 1s --no-wait
	remove
}

test_removed_while_waiting() { # sanitized
	local receiver limited sender
	make_queue
	expect 0 msg set --capacity 4
	expect 0 msg send 1 full
	"$YARDMASTER" msg recv "$KEY" 2 2>"$DIR/error1" &
	receiver=$!
	"$YARDMASTER" msg recv "$KEY" 2 --wait 1m 2>"$DIR/error2" &
	limited=$!
	"$YARDMASTER" msg send "$KEY" 1 more 2>"$DIR/error3" &
	sender=$!
	wait_until 10 sleeps "$receiver"
	wait_until 10 sleeps "$sender"
	wait_until 10 sleeps "$limited"
	expect 0 msg rm
	for waiter in "$receiver" "$limited" "$sender"; do
		wait "$waiter"
		assert_equal 3 $? "waiting on a removed queue"
	done
	for file in "$DIR"/error[123]; do
		assert_contains "removed" "$(<"$file")" "$file"
	done
}

test_mistakes() { # sanitized
	expect 2 "$YARDMASTER" msg
	assert_contains "usage: yardmaster msg COMMAND" "$ERR" "no subcommand"
	expect 2 "$YARDMASTER" msg revc "$KEY"
	assert_contains 'did you mean "recv"?' "$ERR" "unknown subcommand"
	make_queue
	expect 2 msg send
	expect 2 msg send x y
	assert_contains 'TYPE: "x" is no whole number' "$ERR" "type"
	expect 2 msg send 0 x
	expect 2 msg send -3 x
	expect 2 msg recv 1x
	expect 2 msg recv 99999999999999999999
	expect 2 msg recv -3 --except
	expect 2 msg recv --except
	expect 0 msg send 9223372036854775807 x
	expect 0 msg recv 9223372036854775807
	assert_equal x "$OUT" "the largest type"
	remove
}

test_recv_keeps_what_it_cannot_print() { # sanitized
	expect 0 "$YARDMASTER" msg get 0x7
	expect 0 "$YARDMASTER" msg send 0x7 5 important
	"$YARDMASTER" msg recv 0x7 >/dev/full 2>"$DIR/err"
	assert_equal 4 $? "exit code with a full disk"
	assert_contains "back in its queue" "$(<"$DIR/err")" "what recv says"
	"$YARDMASTER" msg recv 0x7 >&- 2>"$DIR/err"
	assert_equal 2 $? "exit code without a stdout"
	expect 0 "$YARDMASTER" msg recv 0x7 5 --no-wait
	assert_equal important "$OUT" "the message"
	expect 2 "$YARDMASTER" msg send 0x7 1
	expect 0 "$YARDMASTER" msg rm 0x7
}
