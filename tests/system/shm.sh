# shellcheck shell=bash disable=SC2016 # expressions for perl
# shm.sh - variables in shared memory from the command line.

KEY=0x51a0001
NUMBER=85590017

shm() {
	"$YARDMASTER" shm "$@"
}

# What a test has made with the key is gone afterwards, whatever state it is in.
remove() {
	ipcrm -M "$KEY" || fail "cannot remove segment $KEY"
}

# A word of 8 bytes, as somebody else might write it.
poke() { # OFFSET WORD
	perl -e 'my ($key, $at, $word) = @ARGV; my $id = shmget($key, 0, 0) // die "shmget: $!";
		shmwrite($id, pack("q<", $word), $at, 8) or die "shmwrite: $!"' "$NUMBER" "$@" || fail "poke $*"
}

# A segment that is nobody's idea of variables.
make_foreign() { # SIZE CONTENT
	perl -e 'my ($key, $size, $content) = @ARGV; my $id = shmget($key, $size, 01600) // die "shmget: $!";
		shmwrite($id, $content, 0, length $content) or die "shmwrite: $!"' "$NUMBER" "$@" || fail "make_foreign $*"
}

# All bytes of the segment.
snapshot() { # FILE
	perl -e 'my ($key, $size) = @ARGV; my $id = shmget($key, 0, 0) // die "shmget: $!";
		shmread($id, my $bytes, 0, $size) or die "shmread: $!"; print $bytes' "$NUMBER" "$(segment_size)" >"$1" ||
		fail "snapshot"
}

segment_size() {
	awk -v key="$NUMBER" '$1 == key {print $4}' /proc/sysvipc/shm
}

# An expression about $j, the parsed JSON of the file.
json_says() { # FILE EXPRESSION
	perl -MJSON::PP -e 'local $/; open my $f, "<", $ARGV[0] or die; my $j = JSON::PP->new->utf8->allow_nonref->decode(<$f>);
		exit !eval($ARGV[1]) // die $@' "$@"
}

assert_json() { # EXPRESSION
	json_says "$DIR/out" "$1" || fail "JSON: not true that $1, in \"$OUT\""
}

# Three variables; the second one's chunk is at 80, the third one's at 128, the end at 192.
make_three() {
	expect 0 shm put "$KEY" 7 int:42 --size 400
	expect 0 shm put "$KEY" -1 $'h\303\251llo'
	expect 0 shm put "$KEY" 3 'json:[1.5,true,null]'
}

# ---- values -----------------------------------------------------------------------------------------------------

# Each value in all three forms.
test_values() { # sanitized
	local typed text php json
	while IFS='|' read -r typed text php json; do
		expect 0 shm put "$KEY" 1 "$typed"
		assert_equal "" "$OUT$ERR" "put $typed"
		expect 0 shm get "$KEY" 1
		assert_equal "$text" "$OUT" "text of $typed"
		expect 0 shm get "$KEY" 1 --php
		assert_equal "$php" "$OUT" "PHP of $typed"
		expect 0 shm get "$KEY" 1 --json
		assert_equal "$json" "$OUT" "JSON of $typed"
		assert_json 1
	done <<-'EOF'
		null:|null|N;|null
		bool:yes|true|b:1;|true
		int:-42|-42|i:-42;|-42
		float:0.1|0.1|d:0.1;|0.1
		float:3|3.0|d:3;|3.0
		float:-INF|-INF|d:-INF;|{"float": "-INF"}
		hello|hello|s:5:"hello";|"hello"
		-5|-5|s:2:"-5";|"-5"
		str:int:5|int:5|s:5:"int:5";|"int:5"
		json:[1,"x"]|[1, "x"]|a:2:{i:0;i:1;i:1;s:1:"x";}|[1, "x"]
		json:{"a":{"5":null}}|["a" => [5 => null]]|a:1:{s:1:"a";a:1:{i:5;N;}}|{"a": {"5": null}}
		php:d:0.10;|0.1|d:0.10;|0.1
		php:O:3:"Dog":1:{s:1:"n";i:1;}|object(Dog) O:3:"Dog":1:{s:1:"n";i:1;}|O:3:"Dog":1:{s:1:"n";i:1;}|{"php": "O:3:\"Dog\":1:{s:1:\"n\";i:1;}", "class": "Dog"}
	EOF
	remove
}

test_variables_by_number_and_name() {
	expect 0 shm put "$KEY" name:123456789 named
	expect 0 shm get "$KEY" 3421780262
	assert_equal named "$OUT" "crc32 of the name"
	expect 0 shm put "$KEY" -9223372036854775808 least
	expect 0 shm put "$KEY" 9223372036854775807 most
	expect 0 shm get "$KEY" -9223372036854775808
	assert_equal least "$OUT" "the least key"
	expect 2 shm put "$KEY" 9223372036854775808 more
	expect 2 shm put "$KEY" counter 1
	assert_contains "name:counter" "$ERR" "hint"
	expect 0 shm ls "$KEY" --json
	assert_json '@{$j->{variables}} == 3'
	# The segment under another name of its key.
	expect 0 shm get "$NUMBER" 3421780262
	remove
	: >"$DIR/file"
	expect 0 shm put "$DIR/file:a" 1 by-ftok
	expect 0 shm get "$DIR/file:a" 1
	expect 0 shm rm "$DIR/file:a"
	expect 0 shm put name:segment 1 by-name
	expect 0 shm rm name:segment
}

test_binary_from_stdin() { # sanitized
	head -c 150000 /dev/urandom >"$DIR/bytes"
	printf '\377\0' >>"$DIR/bytes"
	expect 0 shm put "$KEY" 1 - --size 200kb <"$DIR/bytes"
	expect 0 shm get "$KEY" 1 --raw
	assert_same_file "$DIR/bytes" "$DIR/out" "raw"
	expect 0 shm get "$KEY" 1 --json
	perl -MJSON::PP -MMIME::Base64 -e 'local $/; print decode_base64(decode_json(<STDIN>)->{base64})' \
		<"$DIR/out" >"$DIR/decoded"
	assert_same_file "$DIR/bytes" "$DIR/decoded" "base64"
	{
		printf 's:150002:"'
		cat "$DIR/bytes"
		printf '";'
	} >"$DIR/serialized"
	expect 0 shm get "$KEY" 1 --php
	assert_same_file "$DIR/serialized" "$DIR/out" "serialized"
	expect 0 shm put "$KEY" 1 php:- <"$DIR/serialized"
	expect 0 shm get "$KEY" 1 --raw
	assert_same_file "$DIR/bytes" "$DIR/out" "raw after php:-"
	printf 'a\0b' | shm put "$KEY" 2 - || fail "put of NUL"
	expect 0 shm get "$KEY" 2
	assert_equal '"a\x00b"' "$OUT" "text of what cannot be shown"
	expect 0 shm put "$KEY" 3 - </dev/null
	expect 0 shm get "$KEY" 3 --raw
	assert_equal 0 "$(stat -c %s "$DIR/out")" "bytes of nothing"
	expect 0 shm put "$KEY" 4 int:1
	expect 2 shm get "$KEY" 4 --raw
	assert_contains "has the type int" "$ERR" "raw of an integer"
	remove
}

test_huge_array() {
	perl -MJSON::PP -e 'my %h = map {("key $_" => {n => $_, list => [1 .. 5], text => "x" x ($_ % 50)})} 1 .. 20000;
		print JSON::PP->new->canonical->encode(\%h)' >"$DIR/json"
	expect 0 shm put "$KEY" 1 json:- --size 20mb <"$DIR/json"
	expect 0 shm get "$KEY" 1 --json
	perl -MJSON::PP -e 'local $/; print JSON::PP->new->canonical->encode(decode_json(<STDIN>))' <"$DIR/out" >"$DIR/back"
	assert_same_file "$DIR/json" "$DIR/back" "JSON there and back"
	expect 0 shm get "$KEY" 1 --php
	cp "$DIR/out" "$DIR/php"
	expect 0 shm put "$KEY" 2 php:- <"$DIR/php"
	expect 0 shm get "$KEY" 2 --php
	assert_same_file "$DIR/php" "$DIR/out" "serialized there and back"
	expect 0 shm get "$KEY" 2
	assert_contains '    "key 5" => ["list" => [1, 2, 3, 4, 5], "n" => 5, "text" => "xxxxx"],' "$OUT" "text"
	remove
}

# ---- the answer is no -----------------------------------------------------------------------------------------------

test_missing() { # sanitized
	local verb
	for verb in get has del; do
		expect 1 shm "$verb" "$KEY" 1
	done
	for verb in ls stat dump repair rm; do
		expect 1 shm "$verb" "$KEY"
		assert_contains "$KEY" "$ERR" "$verb of a missing segment"
	done
	assert_equal 0 "$(ipc_objects)" "objects made by asking"
	expect 0 shm put "$KEY" 1 value
	expect 1 shm get "$KEY" 2
	assert_contains "segment $KEY has no variable 2" "$ERR" "get"
	expect 1 shm del "$KEY" name:none
	assert_contains "segment $KEY has no variable name:none" "$ERR" "del"
	expect 0 shm has "$KEY" 1
	assert_equal "" "$OUT$ERR" "has"
	expect 0 shm has "$KEY" 1 -v
	assert_equal "segment $KEY has variable 1" "$OUT" "has -v"
	expect 1 shm has "$KEY" 2
	assert_equal "" "$OUT$ERR" "has not"
	expect 1 shm has "$KEY" 2 -v
	assert_contains "has no variable 2" "$ERR" "has -v not"
	expect 0 shm del "$KEY" 1
	assert_equal "" "$OUT$ERR" "del"
	expect 1 shm has "$KEY" 1
	remove
	expect 1 shm has "$KEY" 1 -v
	assert_contains "$KEY" "$ERR" "has -v of a missing segment"
}

test_mistakes() {
	expect 2 shm put "$KEY" 1 int:x
	expect 2 shm put "$KEY" 1 'json:{"a":1,"a":2}'
	expect 2 shm put "$KEY" 1 php:i:42
	expect 2 shm put "$KEY" 1 x --size 0
	expect 2 shm put "$KEY" 1 x --size big
	expect 2 shm put "$KEY" 1 x --size 30
	expect 2 shm put "$KEY" 1 x --mode rw
	expect 2 shm put "$KEY" 1 x --timeout 1s
	assert_contains "without --lock" "$ERR" "timeout"
	expect 2 shm put "$KEY" 1 x --lock nonsense
	assert_contains "--lock: " "$ERR" "lock"
	expect 2 shm put 0 1 x
	expect 2 shm get "$KEY" 1 --php --json
	expect 2 shm put "$KEY" 1
	assert_equal 0 "$(ipc_objects)" "objects made by mistakes"
}

test_full_segment_changes_nothing() { # sanitized
	expect 0 shm put "$KEY" 1 "$(printf '%0100d' 0)" --size 300
	expect 0 shm put "$KEY" 2 small
	snapshot "$DIR/before"
	# The head takes 40, the chunks 144 and 48: 68 are free, with the old value 212; "s:200:...;" needs 248.
	expect 1 shm put "$KEY" 1 "$(printf '%0200d' 0)"
	assert_contains "36 are missing" "$ERR" "missing bytes"
	snapshot "$DIR/after"
	assert_same_file "$DIR/before" "$DIR/after" "a segment that was too full"
	expect 0 shm get "$KEY" 1
	assert_equal "$(printf '%0100d' 0)" "$OUT" "the old value"
	remove
}

# ---- whole segments -------------------------------------------------------------------------------------------------

test_size_and_mode() {
	expect 0 shm put "$KEY" 1 x
	assert_equal "10000 600" "$(awk -v key="$NUMBER" '$1 == key {print $4, $3}' /proc/sysvipc/shm)" "default"
	expect 0 shm put "$KEY" 1 x --size 5kb --mode 644
	assert_contains "exists already, with 10000 bytes: --size had no effect" "$ERR" "size of an old segment"
	expect 0 shm put "$KEY" 1 x --size 10000
	assert_equal "" "$ERR" "the size it has"
	expect 0 shm rm "$KEY"
	expect 0 shm put "$KEY" 1 x --size 5kb --mode 644
	assert_equal "" "$ERR" "size of a new segment"
	assert_equal "5120 644" "$(awk -v key="$NUMBER" '$1 == key {print $4, $3}' /proc/sysvipc/shm)" "as wanted"
	remove
}

test_ls_and_stat() { # sanitized
	local line
	make_three
	expect 0 shm ls "$KEY"
	assert_contains "segment $KEY: 400 bytes, 192 used, 208 free; attached: 0; made by process " "$OUT" "head"
	assert_contains "mode 0600" "$OUT" "head"
	mapfile -t lines < <(tail -n +2 "$DIR/out" | tr -s ' ')
	assert_equal " VAR TYPE LENGTH VALUE" "${lines[0]}" "columns"
	assert_equal " 7 int 5 42" "${lines[1]}" "integer"
	assert_equal $' -1 string 13 "h\303\251llo"' "${lines[2]}" "string"
	assert_equal " 3 array 30 [1.5, true, null]" "${lines[3]}" "array"
	expect 0 shm put "$KEY" 3 "$(printf '%0100d' 0)"
	expect 0 shm ls "$KEY"
	line=$(tail -n 1 "$DIR/out")
	assert_equal "000...|" "${line: -6}|" "end of a long value"
	expect 0 shm ls "$KEY" --json
	assert_json '$j->{segment}{key} == 85590017 && $j->{segment}{variables} == 3 && $j->{segment}{mode} eq "0600"'
	assert_json '$j->{variables}[0]{key} == 7 && $j->{variables}[0]{offset} == 40 && $j->{variables}[0]{value} == 42'
	assert_json '$j->{variables}[1]{length} == 13 && $j->{variables}[1]{next} == 48'
	assert_json '$j->{variables}[1]{value} eq "h\x{e9}llo" && $j->{variables}[2]{type} eq "string"'
	expect 0 shm stat "$KEY" --json
	assert_json '$j->{total} == 400 && $j->{variables} == 3 && $j->{attached} == 0 && $j->{uid} == $<'
	assert_json '$j->{used} + $j->{free} == 400 && $j->{creator} > 1'
	# What `largest` says fits, and one byte more does not.
	expect 0 shm stat "$KEY"
	line=$(awk '$1 == "largest" {print $2}' "$DIR/out")
	expect 1 shm put "$KEY" 9 "$(printf "%0$((line - 7))d" 0)"
	expect 0 shm put "$KEY" 9 "$(printf "%0$((line - 8))d" 0)"
	expect 0 shm get "$KEY" 9 --php
	assert_equal "$line" "${#OUT}" "length of the largest value"
	remove
}

test_rm() {
	expect 0 shm put "$KEY" 1 "the secret"
	expect 0 shm rm "$KEY"
	assert_equal "" "$OUT$ERR" "rm"
	assert_equal 0 "$(ipc_objects)" "objects"
}

attached() {
	[[ $(awk -v key="$NUMBER" '$1 == key {print $7}' /proc/sysvipc/shm) == 1 ]]
}

# Who is still attached sees an empty segment, and without --wipe what was there.
test_wipe() {
	local wiped option
	for option in "" --wipe; do
		expect 0 shm put "$KEY" 1 "the secret"
		mkfifo "$DIR/go$option"
		perl -MIPC::SysV=shmat,memread -e 'my ($key, $go) = @ARGV; my $at = shmat(shmget($key, 0, 0), undef, 0) // die;
			open my $f, "<", $go or die; <$f>; memread($at, my $bytes, 40, 9000); print $bytes =~ /the secret/ ? "there" : "gone",
			" ", $bytes =~ /[^\0]/ ? "bytes" : "zeroes"' "$NUMBER" "$DIR/go$option" >"$DIR/seen" &
		CLIENT=$!
		wait_until 5 attached
		expect 0 shm stat "$KEY" --json
		assert_json '$j->{attached} == 1'
		# shellcheck disable=SC2086 # nothing, or an option
		expect 0 shm rm "$KEY" $option
		echo >"$DIR/go$option"
		wait "$CLIENT"
		wiped=$(<"$DIR/seen")
		[[ -z $option ]] || assert_equal "gone zeroes" "$wiped" "after --wipe"
		[[ -n $option ]] || assert_equal "there bytes" "$wiped" "after rm"
	done
}

test_readonly() {
	local -a nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	"${nobody[@]}" test -x "$YARDMASTER" 2>/dev/null || skip "there can be no other user here"
	expect 0 shm put "$KEY" 1 value --mode 644
	expect 0 "${nobody[@]}" "$YARDMASTER" shm get "$KEY" 1
	assert_equal value "$OUT" "get of a reader"
	expect 0 "${nobody[@]}" "$YARDMASTER" shm ls "$KEY"
	expect 0 "${nobody[@]}" "$YARDMASTER" shm dump "$KEY"
	expect 4 "${nobody[@]}" "$YARDMASTER" shm put "$KEY" 1 other
	expect 4 "${nobody[@]}" "$YARDMASTER" shm del "$KEY" 1
	expect 4 "${nobody[@]}" "$YARDMASTER" shm rm "$KEY" --wipe
	expect 0 shm get "$KEY" 1
	assert_equal value "$OUT" "what is there afterwards"
	expect 0 shm put "$KEY" 1 value --mode 600
	remove
	expect 0 shm put "$KEY" 1 value
	expect 4 "${nobody[@]}" "$YARDMASTER" shm get "$KEY" 1
	remove
}

# ---- the semaphore --------------------------------------------------------------------------------------------------

sem_value() { # KEY
	perl -e 'my $id = semget($ARGV[0], 0, 0) // die; print semctl($id, 0, 12, 0) + 0' "$1"
}

sem_waiters() { # KEY
	perl -e 'my $id = semget($ARGV[0], 0, 0) // die; print semctl($id, 0, 14, 0) + 0' "$1"
}

# Take the unit as somebody who is attached, or give it back and leave.
sem_add() { # KEY DELTA
	perl -e 'my ($key, $delta) = @ARGV; my $id = semget($key, 0, 0) // die "semget: $!";
		semop($id, pack("s!6", 0, $delta, 0, 1, -$delta, 0)) or die "semop: $!"' "$@" || fail "sem_add $*"
}

test_lock() {
	local key number
	for key in same 85590018; do
		number=$key
		[[ $key != same ]] || number=$NUMBER
		expect 0 shm put "$KEY" 1 first --lock "$key"
		assert_equal 1 "$(sem_value "$number")" "units after the command"
		sem_add "$number" -1
		expect 1 shm put "$KEY" 1 second --lock "$key" --timeout 50ms
		expect 1 shm get "$KEY" 1 --lock "$key" --timeout 0s
		assert_equal "" "$OUT" "get without the semaphore"
		expect 0 shm get "$KEY" 1
		assert_equal first "$OUT" "value while somebody else has the semaphore"
		shm put "$KEY" 1 third --lock "$key" --timeout 30s &
		CLIENT=$!
		wait_until 5 is 1 sem_waiters "$number"
		sem_add "$number" 1
		wait "$CLIENT" || fail "put that waited"
		expect 0 shm get "$KEY" 1 --lock "$key"
		assert_equal third "$OUT" "value of the one that waited"
		ipcrm -S "$number"
	done
	# The lock is taken and given back around an error, too.
	expect 1 shm get "$KEY" 2 --lock same
	assert_equal 1 "$(sem_value "$NUMBER")" "units after an error"
	ipcrm -S "$NUMBER"
	remove
}

# ---- damage ----------------------------------------------------------------------------------------------------------

test_dump() { # sanitized
	make_three
	expect 0 shm dump "$KEY"
	assert_equal "$(
		cat <<-EOF
			segment $KEY, id X: 400 bytes
			       0  head  magic "PHP_SM"  start 40  end 192  free 208  total 400
			      40  key 7  length 5  next 40
			          int 42
			      80  key -1  length 13  next 48
			          string "h$(printf '\303\251')llo"
			     128  key 3  length 30  next 64
			          array [1.5, true, null]
			     192  end, 208 bytes behind it
		EOF
	)" "$(sed 's/id [0-9]*/id X/' "$DIR/out")" "dump"
	expect 0 shm dump "$KEY" --hex
	assert_contains "00000000  50 48 50 5f 53 4d 00 00  28 00 00 00 00 00 00 00  |PHP_SM..(.......|" "$OUT" "head"
	assert_contains "00000038  28 00 00 00 00 00 00 00  69 3a 34 32 3b 00 00 00  |(.......i:42;...|" "$OUT" "chunk"
	assert_contains "000000c0  00 00" "$OUT" "free space"
	assert_contains $'\n          *\n' "$OUT" "rows that repeat"
	assert_contains "00000180  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|" "$OUT" "last row"
	expect 0 shm dump "$KEY" --json
	assert_json '$j->{head}{magic} eq "PHP_SM" && $j->{head}{end} == 192 && $j->{size} == 400 && !$j->{damaged}'
	assert_json '@{$j->{chunks}} == 3 && $j->{chunks}[2]{offset} == 128 && !exists $j->{damage}'
	remove
}

# One word is changed; dump says where and why, and still shows what can be read.
test_damage() { # sanitized
	local at word says intact
	while IFS='|' read -r at word says intact; do
		make_three
		poke "$at" "$word"
		expect 1 shm dump "$KEY"
		assert_contains "DAMAGED" "$OUT" "dump, $at: $word"
		assert_contains "$says" "$OUT" "dump, $at: $word"
		assert_equal "$intact" "$(grep -c '^  *\(int\|string\|array\) ' "$DIR/out")" "readable values, $at: $word"
		expect 1 shm dump "$KEY" --hex
		expect 1 shm dump "$KEY" --json
		assert_json '$j->{damaged}'
		expect 4 shm ls "$KEY"
		expect 4 shm get "$KEY" 3
		expect 0 shm rm "$KEY"
	done <<-'EOF'
		8|48|offset 8|3
		16|-1|offset 16|3
		16|39|offset 16|3
		16|401|offset 16|3
		16|1099511627776|offset 16|3
		16|200|8 bytes before the end, too few|3
		24|-1|offset 24|3
		24|209|offset 24|3
		32|39|offset 32|3
		32|100000|offset 32|3
		96|0|offset 80: next is 0, outside 32..112|1
		96|31|offset 80: next is 31, outside 32..112|1
		96|-48|offset 80: next is -48|1
		96|113|offset 80: next is 113|1
		96|9223372036854775807|offset 80: next is 9223372036854775807|1
		144|72|offset 128: next is 72, outside 32..64|2
		136|41|offset 128: length is 41, outside 0..40|2
		136|-1|offset 128: length is -1, outside 0..40|2
		152|0|offset 128: |2
	EOF
}

# The head is sound, only it includes some bytes that are no chunk.
test_bytes_that_are_no_chunk() {
	make_three
	poke 16 200
	poke 24 200
	expect 1 shm dump "$KEY"
	assert_contains "DAMAGED: offset 192: 8 bytes before the end, too few for a chunk" "$OUT" "dump"
	assert_contains "192  raw bytes up to offset 200" "$OUT" "dump"
	expect 1 shm dump "$KEY" --json
	assert_json '$j->{damaged} && $j->{reason} =~ /offset 192/ && @{$j->{chunks}} == 3'
	expect 4 shm ls "$KEY"
	remove
}

# Bytes around the damage are shown: some, or with --hex all.
test_damage_is_shown_raw() {
	make_three
	poke 96 0
	expect 1 shm dump "$KEY"
	assert_contains "80  raw bytes up to offset 192" "$OUT" "where"
	assert_contains '|........s:6:"h..|' "$OUT" "bytes of the damaged chunk"
	assert_contains "|;d:1.5;i:1;b:1;i|" "$OUT" "bytes behind it"
	remove
	shm put "$KEY" 1 "$(printf '%0*d' 2000 0)" || fail "put"
	poke 56 0
	expect 1 shm dump "$KEY"
	assert_contains "... --hex shows $((40 + 2048 - 40 - 512)) bytes more" "$OUT" "what is left out"
	expect 1 shm dump "$KEY" --hex
	assert_lacks "bytes more" "$OUT" "all bytes"
	remove
}

test_foreign() { # sanitized
	local verb
	make_foreign 4096 "a letter, not variables"
	for verb in ls stat repair rm "repair --yes"; do
		# shellcheck disable=SC2086 # verb and option
		expect 4 shm $verb "$KEY"
	done
	for verb in get has del; do
		expect 4 shm "$verb" "$KEY" 1
	done
	expect 4 shm put "$KEY" 1 x
	expect 1 shm dump "$KEY"
	assert_contains "FOREIGN" "$OUT" "dump"
	assert_contains "|a letter, not va|" "$OUT" "its bytes"
	expect 1 shm dump "$KEY" --json
	assert_json '$j->{damaged} && $j->{head}{magic} eq "a letter" && @{$j->{chunks}} == 0'
	snapshot "$DIR/bytes"
	assert_equal "a letter, not variables" "$(tr -d '\0' <"$DIR/bytes")" "what is there afterwards"
	remove
	# Smaller than a head.
	make_foreign 10 "0123456789"
	for verb in dump ls rm; do
		expect 4 shm "$verb" "$KEY"
		assert_contains "has only 10 bytes" "$ERR" "$verb"
	done
	expect 4 shm put "$KEY" 1 x
	remove
}

test_repair() { # sanitized
	make_three
	expect 0 shm repair "$KEY"
	assert_contains "is not damaged" "$OUT" "repair of what is whole"
	poke 96 0
	snapshot "$DIR/before"
	expect 1 shm repair "$KEY"
	assert_contains "offset 80" "$OUT" "the damage"
	assert_contains "--yes keeps the variables before the damage (1)" "$ERR" "what would be done"
	snapshot "$DIR/after"
	assert_same_file "$DIR/before" "$DIR/after" "a repair that was only asked for"
	expect 0 shm repair "$KEY" --yes
	assert_contains "variables kept: 1, bytes given up: 112" "$OUT" "repair"
	expect 0 shm get "$KEY" 7
	assert_equal 42 "$OUT" "what was kept"
	expect 1 shm get "$KEY" 3
	expect 0 shm put "$KEY" 3 anew
	expect 0 shm dump "$KEY"
	# A process was killed while it was moving chunks.
	poke 24 -1
	expect 1 shm repair "$KEY"
	assert_contains "offset 24" "$OUT" "the damage"
	expect 0 shm repair "$KEY" --yes
	assert_contains "variables kept: 2, bytes given up: 0" "$OUT" "repair of the head"
	expect 0 shm get "$KEY" 3
	assert_equal anew "$OUT" "what was kept"
	# Without the magic nobody but repair recognises it.
	poke 0 0
	expect 4 shm get "$KEY" 3
	expect 4 shm rm "$KEY"
	expect 0 shm repair "$KEY" --yes
	expect 0 shm get "$KEY" 3
	remove
}

# A value that cannot be decoded harms nobody else, and can be removed.
test_undecodable_value() {
	make_three
	poke 104 0
	expect 4 shm get "$KEY" -1
	expect 4 shm ls "$KEY"
	assert_contains "damaged" "$OUT" "ls"
	assert_contains "[1.5, true, null]" "$OUT" "ls"
	assert_contains "shm dump $KEY" "$ERR" "ls"
	expect 4 shm ls "$KEY" --json
	assert_json '$j->{variables}[1]{type} eq "damaged" && $j->{variables}[2]{value}[1]'
	expect 1 shm dump "$KEY"
	assert_contains "DAMAGED at offset 80: " "$OUT" "dump"
	expect 0 shm get "$KEY" -1 --php
	expect 0 shm get "$KEY" 3 --json
	expect 0 shm del "$KEY" -1
	expect 0 shm dump "$KEY"
	remove
}

test_mistakes_leave_nothing_behind() { # sanitized
	local command
	for command in "get 0x5555 1" "has 0x5555 1" "stat 0x5555" "ls 0x5555" "del 0x5555 1" "rm 0x5555"; do
		# shellcheck disable=SC2086 # words on purpose
		expect 1 "$YARDMASTER" shm $command --lock same
	done
	expect 2 "$YARDMASTER" shm put 0x5555 1 x --size 9 --lock same
	expect 2 "$YARDMASTER" shm put 0x5555 1 x --size 99999999999999999999999
	expect 2 "$YARDMASTER" shm put 0x5555 name: x
	expect 1 "$YARDMASTER" shm put 0x5555 1 int:1 --size 63 --lock same
	assert_contains "give --size 80 or more" "$ERR" "a segment that would be too small"
	assert_equal 0 "$(ipc_objects)" "objects"
}
