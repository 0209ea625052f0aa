# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016 # PHP in single quotes
# msg.sh - one queue for C, PHP, Perl and Python, in every combination.

. "$SOURCE/tests/interop/peers.sh"

KEY=0x3e50001

msg() { # SUBCOMMAND ARGUMENTS...
	"$YARDMASTER" msg "$1" "$KEY" "${@:2}"
}

# A number of `msg stat`.
state() { # NAME
	msg stat --json | sed -n "s/.*\"$1\": \\([0-9]*\\).*/\\1/p"
}

remove() {
	expect 0 msg rm
	assert_equal 0 "$(ipc_objects)" "objects"
}

# PHP code, with the queue as $q.
php_code() { # CODE ARGUMENTS...
	php -d display_errors=stderr -r "error_reporting(E_ALL); \$q = msg_get_queue($KEY); $1" -- "${@:2}"
}

open_queue() { # NAME LANGUAGE
	start_peer "$1" "$2"
	ask ok "$1" queue q "$KEY"
}

# In an interruptible sleep, as in msgsnd() and msgrcv(); peers sleep in nothing else once they were told something.
sleeps_in() { # FUNCTION NAME...
	local name where
	for name in "${@:2}"; do
		where=$(cat "/proc/${PEER_PID[$name]}/wchan" 2>/dev/null)
		# A kernel that hides where a process sleeps says 0: that it sleeps has to be enough.
		if [[ -z $where || $where == 0 ]]; then
			grep -q '^State:.S' "/proc/${PEER_PID[$name]}/status" || return
		else
			[[ $where == *"$1"* ]] || return
		fi
	done
}

# ---- raw messages -------------------------------------------------------------------------------------------------

all_bytes() {
	printf x
	printf '%02x' {0..255}
}

# Types of 64 bits, all bytes, no bytes; the kernel's choice of the next one is the same for all.
test_each_sends_to_each() { # sanitized
	local from to type types
	need php perl python
	for from in "${LANGUAGES[@]}"; do
		# sysv_ipc sends, and asks for, types of 32 bits only, but gets what comes.
		types=(9223372036854775807 1099511627783 2147483649)
		[[ $from != python ]] || types=(2147483647 2147483646 2147483645)
		open_queue from "$from"
		for to in "${LANGUAGES[@]}"; do
			open_queue to "$to"
			ask sent from send q 5 x wait
			ask sent from send q "${types[0]}" x68 nowait
			ask sent from send q "${types[1]}" x00ff00 wait
			ask sent from send q "${types[2]}" "$(all_bytes)" wait
			ask sent from send q 7 x37 wait
			ask sent from send q 3 x33 wait
			ask sent from send q 3 x3333 wait
			ask "got 7 x37" to receive q 7 8192 0
			ask "got 3 x33" to receive q -6 8192 0
			ask "got 5 x" to receive q 0 8192 0
			ask none to receive q 4 8192 1
			ask "got 3 x3333" to receive q -2147483647 8192 0
			for type in "${types[@]}"; do
				tell to receive q "$([[ $to == python ]] && echo 0 || echo "$type")" 8192 0
				hear to
				assert_contains "got $type x" "$ANSWER" "$to from $from"
			done
			assert_equal "got ${types[2]} $(all_bytes)" "$ANSWER" "$to from $from"
			ask none to receive q 0 8192 1
			end_peer to bye
		done
		# The command line on either side.
		expect 0 msg send 99999999999 hello
		ask "got 99999999999 x68656c6c6f" from receive q 0 8192 0
		ask sent from send q "${types[2]}" x68656c6c6f wait
		expect 0 msg recv "${types[2]}"
		assert_equal hello "$OUT" "message of $from"
		end_peer from bye
	done
	remove
}

test_flags() { # sanitized
	local language
	need php perl
	open_queue from c
	for language in c php perl; do
		open_queue to "$language"
		ask sent from send q 4 x0123456789 wait
		ask sent from send q 4 xaa wait
		ask sent from send q 2 xbb wait
		# EXCEPT with n > 0: the first of another type.
		ask "got 2 xbb" to receive q 4 8192 4
		ask none to receive q 4 8192 5
		# A longer one stays, or is cut off; NOWAIT does not matter for what is there.
		ask_error "" to receive q 0 4 1
		assert_contains "$([[ $language == c ]] && echo longer || echo "Argument list too long")" "$ANSWER" "$language"
		assert_equal 2 "$(state messages)" "messages"
		ask "got 4 x01234567" to receive q 0 4 3
		ask "got 4 xaa" to receive q 2 4 4
		ask none to receive q 0 4 3
		end_peer to bye
	done
	end_peers
	remove
}

# Every size that there can be, there and back through each language.
test_every_size() { # sanitized
	local language most
	most=$(</proc/sys/kernel/msgmax)
	need php perl python
	((most <= 8192)) || most=8192
	for language in c perl python; do
		open_queue peer "$language"
		tell peer relay q $((most + 1))
		expect 0 php_code '
			for ($size = 0; $size <= $argv[1]; $size++) {
				$sent = $size ? random_bytes($size) : "";
				msg_send($q, 1, $sent, false) || exit(1);
				msg_receive($q, 2, $type, 8192, $got, false) || exit(2);
				if ($got !== $sent)
					exit("size $size: other bytes came back");
			}' "$most"
		assert_equal "" "$OUT$ERR" "$language"
		hear peer
		assert_equal ok "$ANSWER" "$language"
		end_peer peer bye
	done
	# And one byte more than that is refused, not sent in part.
	most=$(</proc/sys/kernel/msgmax)
	expect 0 php_code 'var_dump(@msg_send($q, 1, str_repeat("x", $argv[1] + 1), false, true, $code), $code);' "$most"
	assert_equal $'bool(false)\nint(22)' "$OUT" "PHP: one byte too many"
	expect 4 msg send 1 - < <(head -c $((most + 1)) /dev/zero)
	assert_contains "kernel.msgmax" "$ERR" "command line: one byte too many"
	assert_equal 0 "$(state messages)" "messages"
	remove
}

# ---- waiting ------------------------------------------------------------------------------------------------------

test_full_queue() { # sanitized
	local from to
	need php perl python
	expect 0 msg get
	expect 0 msg set --capacity 10
	for from in "${LANGUAGES[@]}"; do
		for to in "${LANGUAGES[@]}"; do
			open_queue from "$from"
			open_queue to "$to"
			ask sent from send q 1 x00112233445566778899 nowait
			ask full from send q 1 xaa nowait
			ask full to send q 1 xaa nowait
			tell from send q 2 xbb wait
			wait_until 5 sleeps_in msgsnd from
			ask "got 1 x00112233445566778899" to receive q 1 8192 0
			hear from
			assert_equal sent "$ANSWER" "$from with room made by $to"
			tell to receive q 7 8192 0
			wait_until 5 sleeps_in msgrcv to
			ask sent from send q 7 xcc nowait
			hear to
			assert_equal "got 7 xcc" "$ANSWER" "$to waiting for $from"
			ask "got 2 xbb" from receive q 0 8192 0
			end_peers
		done
	done
	# More messages than bytes: the number is limited, too.
	open_queue from php
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		ask sent from send q 1 x nowait
	done
	ask full from send q 1 x nowait
	expect 1 msg send 1 '' --no-wait
	assert_contains full "$ERR" "empty messages"
	end_peers
	remove
}

# What those who wait say when the queue goes away.
gone() { # LANGUAGE
	case $1 in
	c) echo "was removed" ;;
	php | perl) echo "Identifier removed" ;;
	python) echo "ExistentialError" ;;
	esac
}

test_removed_while_waiting() { # sanitized
	local remover language
	need php perl python
	for remover in "${LANGUAGES[@]}" command; do
		expect 0 msg get
		expect 0 msg set --capacity 1
		open_queue remover "${remover/command/c}"
		ask sent remover send q 1 x31 wait
		for language in "${LANGUAGES[@]}"; do
			open_queue "from-$language" "$language"
			open_queue "to-$language" "$language"
			tell "from-$language" send q 1 xaa wait
			tell "to-$language" receive q 2 8192 0
		done
		wait_until 5 sleeps_in msgsnd "${LANGUAGES[@]/#/from-}"
		wait_until 5 sleeps_in msgrcv "${LANGUAGES[@]/#/to-}"
		if [[ $remover == command ]]; then
			expect 0 msg rm
		else
			ask ok remover unqueue q
		fi
		for language in "${LANGUAGES[@]}"; do
			hear "from-$language" 5
			assert_contains "$(gone "$language")" "$ANSWER" "sender in $language, removed by $remover"
			hear "to-$language" 5
			assert_contains "$(gone "$language")" "$ANSWER" "receiver in $language, removed by $remover"
		done
		end_peers
		assert_equal 0 "$(ipc_objects)" "objects"
	done
}

# ---- PHP's serialized messages ------------------------------------------------------------------------------------

test_serialized_by_php() { # sanitized
	need php
	expect 0 msg get
	expect 0 php_code '
		msg_send($q, 1, ["to" => "somebody", "tries" => [1, 2.5, null, true]]);
		msg_send($q, 2, "a string");
		msg_send($q, 3, -0.0);
		msg_send($q, 4, new ArrayObject([1]));
		msg_send($q, 5, false);'
	expect 0 msg recv --php --json
	assert_contains '"message": {"to": "somebody", "tries": [1, 2.5, null, true]}' "$OUT" "array"
	expect 0 msg recv --php
	assert_equal "a string" "$OUT" "string"
	expect 0 msg recv
	assert_equal "d:-0;" "$OUT" "float"
	expect 0 msg recv
	assert_equal 'O:11:"ArrayObject":4:{i:0;i:0;i:1;a:1:{i:0;i:1;}i:2;a:0:{}i:3;N;}' "$OUT" "object"
	expect 0 msg recv --php
	assert_equal false "$OUT" "bool"
	remove
}

# With $serialize = false PHP has a way of its own to write each type; ours is the same.
test_not_serialized() { # sanitized
	need php
	open_queue peer c
	expect 0 php_code '
		mt_srand(7);
		$values = ["text", "", -5, PHP_INT_MIN, true, false, 1.5, 1e20, 1e-7, -0.0, INF, -INF, NAN, PHP_FLOAT_MAX,
			PHP_FLOAT_MIN, 0.0000005, 2.5e-7, 123456.7890625, 1e15 + 0.3];
		for ($i = 0; $i < 300; $i++)
			$values[] = (mt_rand() - mt_rand()) * 10.0 ** mt_rand(-12, 30) / mt_rand(1, 1000);
		foreach ($values as $value) {
			msg_send($q, 1, $value, false) && msg_receive($q, 1, $type, 8192, $bytes, false) || exit(1);
			echo "x", bin2hex(serialize($value)), " x", bin2hex($bytes), "\n";
		}'
	cp "$DIR/out" "$DIR/values"
	assert_equal 319 "$(wc -l <"$DIR/values")" "values"
	while read -r value bytes; do
		ask sent peer say q 1 "$value"
		ask "got 1 $bytes" peer receive q 0 8192 1
	done <"$DIR/values"
	# null and arrays are refused, as in PHP.
	ask_error "" peer say q 1 "$(hex 'N;')"
	ask_error "" peer say q 1 "$(hex 'a:0:{}')"
	end_peers
	remove
}

test_serialized_by_us() { # sanitized
	need php
	expect 0 msg get
	expect 0 msg send 1 --php "a\"b"
	expect 0 msg send 1 --value 'json:{"to": "somebody", "tries": [1, 2.5, null, true], "5": []}'
	expect 0 msg send 1 --value float:-0
	expect 0 msg send 1 --value bool:no
	expect 0 msg send 1 --value 'php:O:11:"ArrayObject":4:{i:0;i:0;i:1;a:1:{i:0;i:1;}i:2;a:0:{}i:3;N;}'
	expect 0 msg send 1 "raw"
	expect 0 php_code '
		$expected = ["a\"b", ["to" => "somebody", "tries" => [1, 2.5, null, true], 5 => []], -0.0, false,
			new ArrayObject([1])];
		foreach ($expected as $value) {
			msg_receive($q, 0, $type, 8192, $got) || exit(1);
			if (serialize($got) !== serialize($value))
				exit("expected " . serialize($value) . ", got " . serialize($got));
		}
		msg_receive($q, 0, $type, 8192, $got, false) || exit(1);
		echo $got;'
	assert_equal raw "$OUT" "what PHP received"
	# Bytes that are no value: PHP loses the message, we hand it out.
	expect 0 msg send 1 "no value"
	expect 0 msg send 1 "no value"
	expect 0 php_code 'var_dump(@msg_receive($q, 0, $type, 8192, $got));'
	assert_equal "bool(false)" "$OUT" "PHP's msg_receive() of no value"
	expect 4 msg recv --php
	assert_equal "no value" "$OUT" "our own of no value"
	remove
}

# ---- stat and set -------------------------------------------------------------------------------------------------

# What PHP says about the queue, in the words of `msg stat --json`.
php_stat() {
	php_code '$s = msg_stat_queue($q); printf("%d %d %d %d %d %d %d %d %o", $s["msg_qnum"], $s["msg_qbytes"],
		$s["msg_lspid"], $s["msg_lrpid"], $s["msg_stime"], $s["msg_rtime"], $s["msg_perm.uid"], $s["msg_perm.gid"],
		$s["msg_perm.mode"]);'
}

our_stat() {
	perl -MJSON::PP -e 'my $j = decode_json(<STDIN>);
		print join " ", @$j{qw(messages capacity last_sender last_receiver sent received uid gid mode)}' \
		< <(msg stat --json)
}

test_stat_and_set_agree() { # sanitized
	need php perl
	expect 0 php_code 'msg_send($q, 1, "x"); msg_send($q, 1, "y"); msg_receive($q, 0, $type, 100, $got);'
	assert_equal "$(php_stat)" "$(our_stat)" "used by PHP"
	expect 0 msg send 1 z
	expect 0 msg set --capacity 1000 --mode 640
	assert_equal "$(php_stat)" "$(our_stat)" "used and set by us"
	assert_contains " 0 0 640" "$(php_stat)" "set by us"
	# In a namespace of users there may be no other user than this one.
	if "$YARDMASTER" msg set "$KEY" --uid 65534 --gid 65533 >/dev/null 2>&1; then
		assert_equal "$(php_stat)" "$(our_stat)" "given away by us"
		assert_contains " 65534 65533 640" "$(php_stat)" "given away by us"
	fi
	expect 0 php_code 'msg_set_queue($q, ["msg_qbytes" => 2000, "msg_perm.mode" => 0600, "msg_perm.uid" => 0,
		"msg_perm.gid" => 0]) || exit(1);'
	assert_equal "$(php_stat)" "$(our_stat)" "set by PHP"
	assert_contains " 0 0 600" "$(our_stat)" "set by PHP"
	assert_contains "2 2000 " "$(our_stat)" "set by PHP"
	remove
}

# Who makes the queue decides its mode; the command line never makes one by asking.
test_modes_and_existence() { # sanitized
	need php
	expect 1 msg stat
	expect 0 php -r "var_dump(msg_queue_exists($KEY));"
	assert_equal "bool(false)" "$OUT" "before"
	expect 0 msg get --mode 640
	expect 0 php_code 'msg_get_queue('"$KEY"', 0600); printf("%o", msg_stat_queue($q)["msg_perm.mode"]);'
	assert_equal 640 "$OUT" "made by us"
	expect 0 php -r "var_dump(msg_queue_exists($KEY));"
	assert_equal "bool(true)" "$OUT" "made by us"
	remove
	expect 0 php_code ''
	expect 0 msg stat --json
	assert_contains '"mode": "666"' "$OUT" "made by PHP"
	remove
}
