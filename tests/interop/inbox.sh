# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016 # PHP in single quotes
# inbox.sh - messages of real PHP, Perl and Python become requests for jobs, and their answers come back.

. "$SOURCE/tests/interop/peers.sh"

KEY=0x59000010 REPLY=0x59000011
JOBS=$DIR/jobs
INBOX= # pid

start_inbox() {
	"$BUILD/tests/inbox-peer" "$KEY" "$DIR" >>"$JOBS" 2>>"$LOG" &
	INBOX=$!
	wait_until 10 "$YARDMASTER" msg stat "$KEY" >/dev/null 2>&1
}

stop_inbox() {
	expect 0 "$YARDMASTER" msg send "$KEY" 1 stop
	wait "$INBOX"
	assert_equal 0 $? "exit code of the inbox"
	expect 0 "$YARDMASTER" msg rm "$KEY"
}

# The lines of JOBS, each with the defaults left out.
jobs_are() { # LINE...
	local defaults='s/level=-1 //; s/delay=0 //; s/ *at=0 / /; s/timeout=-1 //; s/unique= //; s/tag= //; s/reply=0x0:0 //; s/^ //'
	wait_until 10 has_lines "$JOBS" $#
	diff <(printf '%s\n' "$@") <(sed "$defaults" "$JOBS") >"$DIR/diff" || fail "jobs: $(<"$DIR/diff")"
	: >"$JOBS"
}

test_php() { # sanitized
	need php
	start_inbox
	expect 0 php -d display_errors=stderr "$HERE/inbox_send.php" $((KEY))
	jobs_are 'size=8 payload=a string' $'size=8 payload=bytes \\x01\\xff' 'size=2 payload=42' 'size=3 payload=1.5' \
		'size=4 payload=true' 'size=4 payload=null' 'size=23 payload=[1, "two", {"k": null}]' \
		'size=25 payload={"5": "five", "h": "h\xc3\xa4"}' \
		'level=3 delay=600000 timeout=2500 unique=u1 tag=7 size=2 payload=p\x01' \
		'level=9 at=1800000000000 size=25 payload={"to": "a@b", "tries": 3}' \
		'size=12 payload=a raw string' 'tag=raw size=9 payload=from JSON' 'size=1 payload=7' 'size=1 payload=1'
	stop_inbox
}

test_perl() { # sanitized
	need perl
	start_inbox
	expect 0 perl "$HERE/inbox_send.pl" $((KEY))
	jobs_are 'size=8 payload=a string' 'size=8 payload=bytes \x01\xff' 'level=0 delay=3600000 size=1 payload=p' \
		'unique=u2 size=13 payload={"to": "a@b"}' 'size=0 payload='
	stop_inbox
}

test_python() { # sanitized
	need python
	start_inbox
	expect 0 /usr/bin/python3 "$HERE/inbox_send.py" "$KEY"
	jobs_are 'size=8 payload=a string' 'size=8 payload=bytes \x01\xff' 'timeout=5000 tag=t size=3 payload=p\xc3\xa4' \
		'level=9 at=1800000000000 size=14 payload=[1, 2.5, null]' 'size=0 payload='
	stop_inbox
}

# The answer has the form of the request, and the type that was asked for.
test_answers() { # sanitized
	need php perl python
	start_inbox
	expect 0 php -d display_errors=stderr -r '
		$reply = msg_get_queue('"$REPLY"');
		foreach (["x\xff", "fail"] as $payload) {
			msg_send(msg_get_queue('"$KEY"'), 1, ["payload" => $payload, "tag" => "t", "reply" => '"$REPLY"',
				"reply_type" => getmypid()]);
			msg_receive($reply, getmypid(), $type, 8192, $answer) || exit(1);
			echo json_encode(array_map(fn($part) => is_string($part) ? bin2hex($part) : $part, $answer)), "\n";
		}'
	assert_equal $'{"id":1,"tag":"74","state":"646f6e65","result":"78ff","error":null,"attempts":1}
{"id":2,"tag":"74","state":"6661696c6564","result":null,"error":"61732061736b656420666f72","attempts":1}' "$OUT" "answers to PHP"
	expect 0 perl -e '
		my ($inbox, $reply) = map { msgget($_, 0) } '"$KEY, $REPLY"';
		msgsnd($inbox, pack("l! a*", 1, q({"payload": "perl", "reply": "'"$REPLY"'", "reply_type": 77})), 0) or die;
		msgrcv($reply, my $answer, 8192, 77, 0) or die;
		print unpack("x[l!] a*", $answer);'
	assert_equal '{"id": 3, "tag": null, "state": "done", "result": "perl", "error": null, "attempts": 1}' "$OUT" "Perl"
	expect 0 /usr/bin/python3 -c '
import base64, json, sysv_ipc
inbox, reply = sysv_ipc.MessageQueue('"$KEY"'), sysv_ipc.MessageQueue('"$REPLY"')
inbox.send(json.dumps({"payload": {"a": [1]}, "reply": '"$REPLY"'}))
print(json.loads(reply.receive()[0]))'
	assert_contains "'result': '{\"a\": [1]}'" "$OUT" "Python"
	# Nobody makes a queue for an answer.
	expect 0 "$YARDMASTER" msg rm "$REPLY"
	expect 0 "$YARDMASTER" msg send "$KEY" 1 '{"payload": "x", "reply": "'"$REPLY"'"}'
	wait_until 5 has_line "$JOBS" "not answered: reply: there is no queue of key $REPLY"
	stop_inbox
	assert_equal 0 "$(ipc_objects)" "objects"
}

# A program that stands for `yardmaster jobs`: what is known of the job is in DIR/known.
stand_in() {
	cat >"$DIR/stand-in" <<-EOF
		#!/bin/sh
		printf '%s\n' "\$*" >>"$DIR/asked"
		cat "$DIR/known"
	EOF
	chmod +x "$DIR/stand-in"
	printf '{"id": 1, "state": "running", "done": 1, "total": 2, "unit": "pages", "note": "half"}\n' >"$DIR/known"
}

# What examples/inbox/README.md says of its scripts.
test_examples() { # sanitized
	local script tag
	need php perl python
	: >"$DIR/inbox.sum"
	stand_in
	KEY=$DIR/inbox.sum:y
	for script in "php $SOURCE/examples/inbox/submit.php" "perl $SOURCE/examples/inbox/submit.pl" \
		"/usr/bin/python3 $SOURCE/examples/inbox/submit.py"; do
		# shellcheck disable=SC2086 # a command and its argument
		expect 3 $script "$DIR" sum "1 2" --wait
		assert_equal "there is no inbox of pool sum in $DIR" "$ERR" "$script"
		# shellcheck disable=SC2086
		expect 3 $script "$DIR/none" sum "1 2"
		assert_equal "there is no inbox of pool sum in $DIR/none" "$OUT$ERR" "$script, with no such directory"
		start_inbox
		# shellcheck disable=SC2086
		expect 0 $script "$DIR" sum "1 2" --wait
		assert_contains "1 2" "$OUT" "$script"
		# shellcheck disable=SC2086
		expect 1 $script "$DIR" sum fail --wait
		assert_equal "failed: as asked for" "$OUT" "$script"
		# shellcheck disable=SC2086
		expect 0 $script "$DIR" sum "3 4"
		wait_until 5 grep -q "tag=from.* reply=0x0:0 size=3 payload=3 4" "$JOBS"
		: >"$JOBS"
		# shellcheck disable=SC2086
		expect 0 env YARDMASTER="$DIR/stand-in" $script "$DIR" sum "5 6" --progress
		assert_equal $'running 1/2 pages half\n5 6' "$OUT" "$script --progress"
		tag=$(sed -n 's/.*tag=\(from[^ ]*\) .*/\1/p' "$JOBS")
		assert_equal "jobs --json --tag $tag -c $SOURCE/examples/inbox/inbox.ini" "$(sort -u "$DIR/asked")" "$script asks"
		stop_inbox
		rm "$DIR/asked"
		: >"$JOBS"
		assert_equal 0 "$(ipc_objects)" "objects after $script"
	done
}

# Longer than any message: by reference.
test_file() { # sanitized
	start_inbox
	printf 'contents' >"$DIR/large"
	expect 0 "$YARDMASTER" msg send "$KEY" 1 '{"payload": null, "file": "'"$DIR"'/large"}'
	jobs_are 'size=8 payload=file:contents'
	stop_inbox
}

# What no job can be made of is kept, and can be sent again as it was.
test_refused() { # sanitized
	local kept
	need php
	start_inbox
	expect 0 php -d display_errors=stderr -r 'msg_send(msg_get_queue('"$KEY"'), 5, ["payload" => "\0", "dealy" => 5]);'
	wait_until 5 logged 'an envelope has no key "dealy": did you mean "delay"?; kept as '
	kept=$(find "$DIR/rejected/peer" -name '*.type-5')
	assert_equal 'a:2:{s:7:"payload";s:1:"?";s:5:"dealy";i:5;}' "$(tr '\0' '?' <"$kept")" "what is kept"
	sed -i s/dealy/delay/ "$kept"
	expect 0 "$YARDMASTER" msg send "$KEY" 5 - <"$kept"
	jobs_are 'delay=5000 size=1 payload=\x00'
	stop_inbox
}
