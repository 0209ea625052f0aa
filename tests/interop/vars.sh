# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016 # PHP in single quotes
# vars.sh - one variable segment for C and PHP; Perl and Python read and write the same bytes.

. "$SOURCE/tests/interop/peers.sh"

KEY=0x51a0001
PEER=$BUILD/tests/interop-peer

shm() { # SUBCOMMAND ARGUMENTS...
	"$YARDMASTER" shm "$1" "$KEY" "${@:2}"
}

# PHP code, with the segment as $s; SIZE is what it asks for.
php_code() { # SIZE CODE ARGUMENTS...
	php -d display_errors=stderr -r "error_reporting(E_ALL); \$s = shm_attach($KEY, $1); $2" -- "${@:3}"
}

segment_size() {
	awk -v key=$((KEY)) '$1 == key {print $4}' /proc/sysvipc/shm
}

remove() {
	expect 0 shm rm
	assert_equal 0 "$(ipc_objects)" "objects"
}

# ---- values -------------------------------------------------------------------------------------------------------

test_every_type() { # sanitized
	need php
	expect 0 php "$HERE/types.php" "$YARDMASTER" "$PEER" "$KEY"
	assert_equal 84 "$OUT" "values that went there and back"
}

# Values as the command line takes them are what PHP means by them.
test_typed_values_for_php() { # sanitized
	local typed literal
	need php
	while IFS='|' read -r typed literal; do
		expect 0 shm put -5 "$typed"
		expect 0 php_code 1000 "\$got = shm_get_var(\$s, -5); \$want = $literal;
			echo serialize(\$got) === serialize(\$want) ? '' : serialize(\$got);"
		assert_equal "" "$OUT$ERR" "$typed for PHP"
		expect 0 php_code 1000 "shm_put_var(\$s, 6, $literal);"
		expect 0 shm get 6 --php
		cp "$DIR/out" "$DIR/php"
		expect 0 shm get -5 --php
		assert_same_file "$DIR/php" "$DIR/out" "$typed"
	done <<-'EOF'
		null:|null
		bool:true|true
		bool:no|false
		int:-9223372036854775808|PHP_INT_MIN
		int:9223372036854775807|PHP_INT_MAX
		float:-0|-0.0
		float:1e17|1e17
		float:-INF|-INF
		float:NAN|NAN
		float:5e-324|5e-324
		float:3|3.0
		text|'text'
		str:int:5|'int:5'
		5|'5'
		json:[1,[2,{"a":null,"7":1.5}],"\u00e4"]|[1, [2, ['a' => null, 7 => 1.5]], 'ä']
		json:{"05":1,"5":2,"":3}|['05' => 1, 5 => 2, '' => 3]
		php:O:8:"stdClass":1:{s:1:"a";i:1;}|(object)['a' => 1]
	EOF
	remove
}

# ---- keys, sizes, errors ------------------------------------------------------------------------------------------

test_variable_keys() { # sanitized
	local variable
	need php
	expect 0 php_code 5000 'foreach ([0, 1, -1, 4294967296, -4294967297, PHP_INT_MAX, PHP_INT_MIN] as $key)
		shm_put_var($s, $key, "of $key"); shm_put_var($s, crc32("counter"), "of counter");'
	for variable in 0 1 -1 4294967296 -4294967297 9223372036854775807 -9223372036854775808; do
		expect 0 shm get "$variable"
		assert_equal "of $variable" "$OUT" "variable of PHP"
		expect 0 shm put "$variable" "ours, $variable"
	done
	expect 0 shm get name:counter
	assert_equal "of counter" "$OUT" "named variable of PHP"
	expect 0 shm del -4294967297
	expect 0 shm put name:höher "ours, höher"
	expect 0 php_code 5000 'foreach ([0, 1, -1, 4294967296, PHP_INT_MAX, PHP_INT_MIN] as $key)
		shm_get_var($s, $key) === "ours, $key" || exit(1);
		exit(shm_has_var($s, -4294967297) || shm_get_var($s, crc32("höher")) !== "ours, höher" ? 1 : 0);'
	remove
	# The segment by ftok, and by name.
	: >"$DIR/file"
	expect 0 "$YARDMASTER" shm put "$DIR/file:p" 1 ours
	expect 0 php -r '$s = shm_attach(ftok($argv[1], "p")); echo shm_get_var($s, 1); shm_remove($s);' "$DIR/file"
	assert_equal ours "$OUT" "by ftok"
	expect 0 php -r '$s = shm_attach(crc32("myapp")); shm_put_var($s, 1, "PHP");'
	expect 0 "$YARDMASTER" shm get name:myapp 1
	assert_equal PHP "$OUT" "by name"
	expect 0 "$YARDMASTER" shm rm name:myapp
}

# The first one's size counts.
test_size_of_later_attachers() { # sanitized
	need php
	start_peer peer c
	expect 0 php_code 5000 'shm_put_var($s, 1, 1);'
	ask 5000 peer attach s "$KEY" 9000
	expect 0 shm put 1 2 --size 9000
	assert_contains "with 5000 bytes: --size had no effect" "$ERR" "the command line"
	ask ok peer destroy s
	ask ok peer detach s
	expect 0 shm put 1 1 --size 3000
	expect 0 php_code 100000 'exit(@shm_put_var($s, 2, str_repeat("x", 3000)) ? 1 : 0);'
	assert_equal 3000 "$(segment_size)" "size for PHP"
	expect 0 php_code 100000 'echo shm_get_var($s, 1);'
	assert_equal 1 "$OUT" "what we put"
	expect 0 shm rm
	# Without any size both make the same.
	expect 0 shm put 1 1
	assert_equal 10000 "$(segment_size)" "our default"
	expect 0 shm rm
	expect 0 php -r "shm_attach($KEY);"
	assert_equal 10000 "$(segment_size)" "PHP's default"
	remove
	# The smallest ones.
	for size in 40 79 80; do
		expect 0 php_code $size ''
		expect $((size < 80)) shm put 1 null:
		remove
		expect $((size < 80)) shm put 1 null: --size $size
		if ((size < 80)); then
			assert_equal "" "$(segment_size)" "a segment of $size bytes, too small for the value"
		else
			expect 0 php_code 1000 'var_dump(@shm_put_var($s, 1, null));'
			assert_equal "bool(true)" "$OUT" "PHP in $size bytes"
			expect 0 php_code 1000 'shm_remove($s);'
		fi
		end_peers
	done
}

# Full for one is full for the other, to the byte; PHP loses the old value then, we do not.
test_full() { # sanitized
	need php
	expect 0 php_code 300 'shm_put_var($s, 1, str_repeat("a", 100)); shm_put_var($s, 2, "small");'
	# The head takes 40, the chunks 144 and 48: 68 are free, with the old value 212.
	expect 1 shm put 1 "$(printf '%0200d' 0)"
	assert_contains "36 are missing" "$ERR" "too long"
	expect 1 shm put 3 "$(printf '%025d' 0)"
	assert_contains "4 are missing" "$ERR" "72 bytes for 68"
	expect 0 php_code 300 'var_dump(@shm_put_var($s, 3, str_repeat("a", 25)), shm_get_var($s, 1) === str_repeat("a", 100));
		var_dump(@shm_put_var($s, 1, str_repeat("a", 168)), @shm_get_var($s, 1));'
	assert_equal $'bool(false)\nbool(true)\nbool(false)\nbool(false)' "$OUT" "the same in PHP"
	expect 1 shm has 1
	expect 0 shm stat --json
	assert_contains '"free": 212' "$OUT" "after PHP has dropped the value"
	# What just fits.
	expect 0 shm put 1 "$(printf '%0167d' 0)"
	expect 0 php_code 300 'shm_put_var($s, 1, str_repeat("a", 167)) || exit(1); echo shm_get_var($s, 2);'
	assert_equal small "$OUT" "the other variable"
	remove
}

# ---- whole segments -----------------------------------------------------------------------------------------------

# Removed by one while the other is attached: that one keeps its memory, the key is free.
test_removed_while_attached() { # sanitized
	need php
	start_peer one php
	start_peer two c
	ask ok one attach s "$KEY" 2000
	ask 2000 two attach s "$KEY" 2000
	ask ok one put s 1 "$(hex 'i:5;')"
	ask ok two destroy s
	ask "value $(hex 'i:5;')" one fetch s 1
	ask ok one put s 1 "$(hex 'i:6;')"
	ask "value $(hex 'i:6;')" two fetch s 1
	expect 1 shm get 1
	ask ok two detach s
	ask 3000 two attach s "$KEY" 3000
	ask missing two fetch s 1
	ask ok one destroy s
	ask ok two put s 1 "$(hex 'i:7;')"
	ask "value $(hex 'i:6;')" one fetch s 1
	ask ok one detach s
	ask ok one attach s "$KEY" 1
	ask "value $(hex 'i:7;')" one fetch s 1
	# Wiped: whoever is attached sees an empty segment.
	expect 0 shm rm --wipe
	ask missing one fetch s 1
	ask missing two fetch s 1
	end_peers
}

# Perl and Python read what PHP and we put, and write what PHP and we get.
test_perl_and_python_know_the_bytes() { # sanitized
	local language walk
	need php perl python
	start_peer c c
	start_peer php php
	start_peer perl perl
	start_peer python python
	ask 2000 c attach s "$KEY" 2000
	ask ok php attach s "$KEY" 2000
	ask ok php put s 1 "$(hex 's:3:"PHP";')"
	ask ok c put s -2 "$(hex 'a:1:{i:0;d:-0;}')"
	ask ok php put s 3 "$(hex 'b:1;')"
	ask ok c put s 1 "$(hex 's:13:"longer than 8";')"
	ask ok c drop s 3
	ask ok php put s 9223372036854775807 "$(hex 'N;')"
	tell c walk s
	hear c
	walk=$ANSWER
	for language in perl python; do
		ask "$walk" "$language" walk s "$KEY"
	done
	ask ok c destroy s
	ask ok c detach s
	ask ok php detach s
	for language in perl python; do
		ask ok "$language" build s "$KEY" 1000 "7:$(hex 'i:42;')" "-1:$(hex $'s:6:"h\303\251llo";')" "3:$(hex 'a:1:{i:0;N;}')"
		ask 1000 c attach s "$KEY" 0
		ask ok php attach s "$KEY" 1
		ask "value $(hex 'i:42;')" php fetch s 7
		ask "value $(hex $'s:6:"h\303\251llo";')" php fetch s -1
		ask "walk 7:$(hex 'i:42;') -1:$(hex $'s:6:"h\303\251llo";') 3:$(hex 'a:1:{i:0;N;}')" c walk s
		ask ok php put s 7 "$(hex 's:20:"a longer string here";')"
		ask ok c drop s -1
		ask "walk 3:$(hex 'a:1:{i:0;N;}') 7:$(hex 's:20:"a longer string here";')" "$language" walk s "$KEY"
		ask ok php destroy s
		ask ok php detach s
		ask ok c detach s
	done
	end_peers
	assert_equal 0 "$(ipc_objects)" "objects"
}

# ---- random operations --------------------------------------------------------------------------------------------

test_random_operations_by_both() { # sanitized
	local seed
	need php
	for seed in 1 2 3 4 $RANDOM; do
		expect 0 php "$HERE/vars.php" mixed "$PEER" "$KEY" "$seed" 2000
		assert_equal "" "$OUT$ERR" "seed $seed"
	done
}

# Where we do nothing else than PHP, every byte of the segment is the one PHP alone would have put there.
test_same_bytes_as_php() { # sanitized
	local seed
	need php
	for seed in 1 2 $RANDOM; do
		expect 0 php "$HERE/vars.php" twins "$PEER" "$KEY" "$seed" 1500
		assert_equal "" "$OUT$ERR" "seed $seed"
	done
}

# ---- under the semaphore ------------------------------------------------------------------------------------------

waiting_is() { # NUMBER
	"$YARDMASTER" sem stat "$KEY" --json | grep -q "\"waiting\": $1,"
}

# Processes of both languages count in one variable and move everything else about. They start all at once.
test_both_at_once() { # sanitized
	local name names=(php1 php2 c1 c2)
	need php
	start_peer gate c
	ask alone gate get s "$KEY" 1
	ask taken gate acquire s
	for name in "${names[@]}"; do
		start_peer "$name" "${name%[12]}"
		ask joined "$name" get s "$KEY" 1
		tell "$name" attach s "$KEY" 10000
		hear "$name"
		tell "$name" bump s 1 2500
	done
	wait_until 5 waiting_is 4
	ask ok gate release s
	for name in "${names[@]}"; do
		hear "$name" 40
		assert_equal ok "$ANSWER" "$name"
		# Then another variable for each pair, while the others are still at it.
		tell "$name" bump s "${name: -1}0" 500
	done
	for name in "${names[@]}"; do
		hear "$name" 40
		assert_equal ok "$ANSWER" "$name"
	done
	expect 0 php_code 1 'echo shm_get_var($s, 1)[0], " ", shm_get_var($s, 10)[0], " ", shm_get_var($s, 20)[0];'
	assert_equal "10000 1000 1000" "$OUT" "counted by all"
	expect 0 shm dump
	end_peers
	expect 0 "$YARDMASTER" sem rm "$KEY"
	remove
}

test_lock_of_the_command_line() { # sanitized
	need php
	start_peer script php
	ask joined script get s "$KEY" 1
	ask ok script attach s "$KEY" 2000
	ask taken script acquire s
	ask ok script put s 1 "$(hex 'i:1;')"
	expect 1 shm get 1 --lock same --timeout 50ms
	shm put 1 int:2 --lock same --timeout 20s &
	CLIENT=$!
	wait_until 5 waiting_is 1
	ask "value $(hex 'i:1;')" script fetch s 1
	ask ok script release s
	wait "$CLIENT" || fail "put that waited"
	ask taken script acquire s
	ask "value $(hex 'i:2;')" script fetch s 1
	end_peers
	expect 0 "$YARDMASTER" sem rm "$KEY"
	remove
}

# ---- killed writers -----------------------------------------------------------------------------------------------

FIRST=100 COUNT=6 MOST=3000000 SIZE=30000000 ROUNDS=16

# A writer that moves megabytes with every put.
start_writer() { # LANGUAGE
	start_peer writer "$1"
	tell writer get s "$KEY" 1
	hear writer
	tell writer attach s "$KEY" 1
	hear writer
	tell writer churn s $FIRST $COUNT $MOST
	hear writer
	assert_equal begun "$ANSWER" "writer"
}

# Is the writer in the middle of moving things? If so, it is left there, stopped.
caught() {
	kill -STOP "${PEER_PID[writer]}"
	wait_until 5 grep -q '^State:.T' "/proc/${PEER_PID[writer]}/status"
	tell other stat s
	hear other
	[[ $ANSWER != error* ]] || return 0
	kill -CONT "${PEER_PID[writer]}"
	return 1
}

# Count beside it a few times, then kill it: in every other round at any moment, otherwise where it does most harm.
kill_writer() { # ROUND TURNS
	ask ok other bump s 1 "$2"
	(($1 % 2)) || wait_until 20 caught
	end_peer writer kill
	ask taken other acquire s
}

# Both sides say the same about every variable; how many are not there, or damaged, goes to MISSING.
compare_sides() {
	local variable
	MISSING=0
	for ((variable = FIRST; variable < FIRST + COUNT; variable++)); do
		tell other sum s "$variable"
		hear other
		if [[ $ANSWER == error* ]]; then
			assert_contains "damaged at offset" "$ANSWER" "damaged value"
			ask_error "data in shared memory is corrupted" php sum s "$variable"
		else
			ask "$ANSWER" php sum s "$variable"
		fi
		[[ $ANSWER == *bytes* ]] || MISSING=$((MISSING + 1))
	done
}

# Everything is as it should be, or was after a repair; REPAIRED counts those.
see_to_it() {
	tell other stat s
	hear other
	if [[ $ANSWER == *error* ]]; then
		assert_contains "damaged at offset" "$ANSWER" "error of a damaged segment"
		tell other repair s
		hear other
		assert_contains "ok " "$ANSWER" "repair"
		REPAIRED=$((REPAIRED + 1))
		tell other stat s
		hear other
		assert_lacks error "$ANSWER" "stat after the repair"
	fi
}

start_witnesses() {
	need php
	REPAIRED=0
	start_peer other c
	start_peer php php
	tell other get s "$KEY" 1
	hear other
	ask "$SIZE" other attach s "$KEY" "$SIZE"
	ask ok php attach s "$KEY" 1
}

end_witnesses() {
	end_peers
	expect 0 "$YARDMASTER" sem rm "$KEY"
	remove
	assert_less $((REPAIRED + 1)) $((ROUNDS / 2)) "segments that had to be repaired, of $ROUNDS"
}

# A C writer costs at most the variable it was at: the counter is right, and PHP goes on as if nothing had happened.
test_killed_c_writer() { # sanitized
	local round sum=0 turns
	start_witnesses
	for ((round = 1; round <= ROUNDS; round++)); do
		start_writer c
		turns=$((1 + round % 3))
		kill_writer $round $turns
		sum=$((sum + turns))
		see_to_it
		compare_sides
		assert_less 2 "$MISSING" "variables lost in round $round"
		tell php fetch s 1
		hear php
		assert_contains "value $(hex "a:2:{i:0;i:$sum;")" "$ANSWER" "counter in round $round, for PHP"
		ask ok php put s 2 "$(hex "i:$round;")"
		ask ok other release s
	done
	end_witnesses
}

# PHP leaves whatever it leaves: it is seen, and repaired, and then both sides agree.
test_killed_php_writer() { # sanitized
	local round
	start_witnesses
	for ((round = 1; round <= ROUNDS; round++)); do
		start_writer php
		kill_writer $round 1
		see_to_it
		compare_sides
		ask ok php put s 2 "$(hex "i:$round;")"
		ask "value $(hex "i:$round;")" other fetch s 2
		ask ok other release s
	done
	end_witnesses
}
