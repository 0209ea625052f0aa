# shellcheck shell=bash disable=SC2016 # expressions in single quotes are for perl
# store_command.sh - yardmaster store: init, status, verify, compact, export, import; round trips, byte for byte.

FROM=sqlite:$DIR/from.db
TO=sqlite:$DIR/to.db

store() { # SUBCOMMAND ARGUMENTS...
	"$YARDMASTER" store "$@"
}

# Lines of JSON, made by perl code that calls job(MEMBERS); ids count from 1.
make_lines() { # FILE CODE
	perl -MJSON::PP -MMIME::Base64 -e '
		my $json = JSON::PP->new->canonical->utf8;
		my $id = 0;
		sub job { print $json->encode({id => ++$id, pool => "a", submitted => 1700000000 + $id, @_}), "\n" }
		eval shift or die $@ || "no value"' "$2; 1" >"$1" || fail "perl cannot make $1"
}

# Compare two exports, or what was imported with an export: for each job of both, the members that the first one has.
assert_same_jobs() { # EXPECTED ACTUAL WHAT
	python3 - "$1" "$2" >"$DIR/differ" 2>&1 <<-'EOF' || fail "$3: $(tail -n 1 "$DIR/differ")"
		import json, sys
		first, second = ([json.loads(line) for line in open(path, encoding="utf-8")] for path in sys.argv[1:])
		if len(first) != len(second):
		    sys.exit("%d jobs expected, not %d" % (len(first), len(second)))
		for want, got in zip(first, second):
		    for key in want:
		        if want[key] != got.get(key):
		            sys.exit("job %s: %s: expected %.200r not %.200r" % (want["id"], key, want[key], got.get(key)))
	EOF
}

count() { # URI STATE
	store status "$1" --json | grep -o "\"$2\": [0-9]*" | awk '{n += $2} END {print n + 0}'
}

# Every state, with everything that a job can have.
all_states() {
	make_lines "$DIR/lines" '
		my @story = map { {number => $_, end => "crashed", started => 1700000100.25, ended => 1700000101.5 + $_, pid => 4000000,
			status => 139, memory_kib => 2048, user_ms => 12, system_ms => 7, done => 3, total => 9, unit => "parts",
			error => "boom $_"} } 1 .. 12;
		job(state => "waiting", attempts => 3, payload => "plain", rank => 42);
		job(state => "delayed", attempts => 255, due => 4000000000.125, priority => 0, timeout => 1.5);
		job(state => "buried", attempts => 12, attempt => 12, crashes => 12, error => "\x{2603} and \"quotes\"", finished => 1700000200,
			story => \@story, last_note => "on \x{43f}\x{443}\x{442}\x{438}", stderr => "two\nlines\n");
		job(state => "done", attempts => 3, attempt => 1, started => 1700000000.001, finished => 1700000000.999,
			result => "it is \x{1f600}", unique => "k", done => 5, total => 5, unit => "bytes");
		job(state => "done", attempts => 3, attempt => 1, started => 1700000001, finished => 1700000002, unique => "k",
			result_base64 => encode_base64("\0\xff" x 5000, ""));
		job(state => "failed", attempts => 2, attempt => 2, error => "no such customer", finished => 1700000200,
			payload => "a\0b\n\t\x01\x7f");
		job(state => "cancelled", attempts => 3, finished => 1700000200, tag => "tag \\ \x{e9}");
		job(state => "waiting", attempts => 3, attempt => 2, crashes => 1, unique => "k", keep => JSON::PP::true, priority => 9,
			reply_key => -5, reply_type => 77, reply_form => 2, story => [$story[0]], pool => "b");'
}

test_round_trip_of_all_states() { # sanitized
	all_states
	expect 0 store import "$FROM" --file "$DIR/lines"
	assert_contains "8 jobs imported into $FROM" "$OUT" "import"
	expect 0 store export "$FROM" --history --output "$DIR/export"
	assert_contains "8 jobs" "$ERR" "export"
	assert_same_jobs "$DIR/lines" "$DIR/export" "export of what was imported"
	store export "$FROM" --history 2>/dev/null | store import "$TO" >"$DIR/out" || fail "export | import"
	expect 0 store export "$TO" --history --output "$DIR/second"
	assert_same_file "$DIR/export" "$DIR/second" "an export of an import of an export"
	expect 0 store verify "$TO"
	assert_contains "everything is as it should be" "$OUT" "verify"
	# Without --history what is over stays behind.
	expect 0 store export "$FROM" --output "$DIR/live"
	assert_equal "1 2 3 8" "$(sed 's/{"id": \([0-9]*\),.*/\1/' "$DIR/live" | paste -sd' ')" "ids of a plain export"
}

# The numbers of its attempts begin again with each kick: none of them takes the place of another.
test_round_trip_of_a_kicked_job() {
	make_lines "$DIR/lines" '
		my @story = map { {number => $_, end => "failed", started => 1700000100, ended => 1700000101, pid => 7, status => 256} } 1, 2, 1, 1;
		$story[$_]{error} = "error $_" for 0 .. 3;
		job(state => "failed", attempts => 3, attempt => 1, finished => 1700000200, story => \@story)'
	expect 0 store import "$FROM" --file "$DIR/lines"
	expect 0 store export "$FROM" --history --output "$DIR/export"
	assert_same_jobs "$DIR/lines" "$DIR/export" "export of what was imported"
}

test_round_trip_of_payloads() { # sanitized
	local sum
	# Around the sizes where bytes go to a file, and long ones of both kinds.
	python3 - >"$DIR/lines" <<-'EOF'
		import base64, json, random
		random.seed(1)
		lines = []
		def job(**members):
		    lines.append(dict({"id": len(lines) + 1, "pool": "a", "submitted": 1700000000}, **members))
		def binary(size):
		    return base64.b64encode(b"\xff" + random.randbytes(size - 1)).decode()
		for size in (1, 2, 3, 4, 448, 449, 65535, 65536, 65537, 1 << 20):
		    job(payload_base64=binary(size))
		    job(payload="\u20ac\U0001f600\n\0"[size % 4] * size)
		job(state="done", finished=1700000000, result="text " * 250000)
		job(state="done", finished=1700000000, result_base64=binary(1 << 20))
		for line in lines:
		    print(json.dumps(line))
	EOF
	expect 0 store import "$FROM" --file "$DIR/lines"
	expect 0 store export "$FROM" --history --output "$DIR/export"
	assert_same_jobs "$DIR/lines" "$DIR/export" "export of what was imported"
	store export "$FROM" --history 2>/dev/null | store import "$TO" >"$DIR/out" || fail "export | import"
	store export "$TO" --history 2>/dev/null >"$DIR/second" || fail "export"
	assert_same_file "$DIR/export" "$DIR/second" "an export of an import of an export"
	expect 0 store verify "$TO"
	write_ini "store = $TO" <<<$'[pool:a]\ncommand = true'
	sum=$(sed -n '19s/.*"payload_base64": "\([^"]*\)".*/\1/p' "$DIR/lines" | base64 -d | sha256sum)
	assert_equal "$sum" "$(ym show 19 --payload 2>/dev/null | sha256sum)" "show --payload of a long one"
	assert_equal 1250000 "$(ym show 21 --result 2>/dev/null | wc -c)" "show --result of a long one"
}

# What is told to be imported again is not doubled, whether its ids were kept or not.
test_import_again() {
	all_states
	expect 0 store import "$FROM" --file "$DIR/lines"
	expect 0 store import "$FROM" --file "$DIR/lines"
	assert_contains "0 jobs imported into $FROM, 8 were there already" "$OUT" "import of the same"
	# Other jobs with the same ids get new ones.
	sed 's/"submitted":17/"submitted":16/; s/"unique":"k"/"unique":"l"/' "$DIR/lines" >"$DIR/others"
	expect 0 store import "$FROM" --file "$DIR/others"
	assert_contains "8 jobs imported into $FROM, 8 with a new id" "$OUT" "import of others with these ids"
	expect 0 store export "$FROM" --history --output "$DIR/export"
	assert_equal "$(seq -s' ' 16)" "$(sed 's/{"id": \([0-9]*\),.*/\1/' "$DIR/export" | paste -sd' ')" "ids"
}

test_import_against_a_unique_key() {
	make_lines "$DIR/one" 'job(unique => "k")'
	make_lines "$DIR/two" '$id = 1; job(unique => "k", submitted => 5); job(unique => "k", pool => "b")'
	expect 0 store import "$FROM" --file "$DIR/one"
	expect 1 store import "$FROM" --file "$DIR/two"
	assert_contains 'job 2: job 1 of pool a has its unique key "k": left out' "$ERR" "import"
	assert_contains "1 job imported into $FROM, 1 left out for their unique key" "$OUT" "import"
}

# Of those that are left out, or there already, nothing else is told.
test_import_counts_what_was_taken() {
	make_lines "$DIR/lines" 'job(unique => "k", state => "running", attempt => 1, attempts => 3);
		job(unique => "k", state => "running", attempt => 1, attempts => 3); job(pool => "none")'
	write_ini "store = $FROM" <<<$'[pool:a]\ncommand = true'
	expect 1 ym store import --file "$DIR/lines"
	assert_contains "2 jobs imported into $FROM, 1 had been running: they wait again, or have failed if that was their last attempt, 1 of pools that the configuration does not have, 1 left out for their unique key" "$OUT" "import"
	sed -i 2d "$DIR/lines"
	expect 0 ym store import --file "$DIR/lines"
	assert_equal "0 jobs imported into $FROM, 2 were there already" "$OUT" "import of the same"
}

# Killed in the middle, with ids that are new ones: repeated with --resume, nothing is missing and nothing is there twice.
test_import_is_resumed() {
	local importer highest
	make_lines "$DIR/first" '$id = 5000; job()'
	make_lines "$DIR/lines" 'job(payload => "job $id") for 1 .. 700'
	expect 0 store import "$TO" --file "$DIR/first"
	mkfifo "$DIR/fifo"
	"$YARDMASTER" store import "$TO" --file "$DIR/fifo" --resume "$DIR/note" >/dev/null &
	importer=$!
	exec 5>"$DIR/fifo"
	head -n 600 "$DIR/lines" >&5
	wait_until 10 is 513 count "$TO" waiting
	slay "$importer"
	exec 5>&-
	# The batch that it has noted may have been written or not: it is written again, with the ids that it had.
	expect 0 store import "$TO" --file "$DIR/lines" --resume "$DIR/note"
	assert_contains "444 jobs imported" "$OUT" "the rest, with the batch that may not have been written"
	assert_equal 701 "$(count "$TO" waiting)" "jobs"
	expect 0 store export "$TO" --output "$DIR/export"
	assert_equal 700 "$(grep -o '"payload": "job [0-9]*"' "$DIR/export" | sort -u | wc -l)" "different jobs"
	[[ ! -e $DIR/note ]] || fail "the note is still there"
	[[ ! -s ${TO#sqlite:}-wal ]] || fail "a long log is left"
	# A batch that was noted, and not written: the first of its ids is another job's by now.
	make_lines "$DIR/lines" 'job(payload => "late") for 1 .. 2'
	highest=$(sed 's/^{"id": \([0-9]*\),.*/\1/' "$DIR/export" | sort -n | tail -n 1)
	printf 'yardmaster import 1\ndone 0 batch 2\n1 5001\n2 %d\n' $((highest + 1)) >"$DIR/note"
	expect 0 store import "$TO" --file "$DIR/lines" --resume "$DIR/note"
	assert_contains "2 jobs imported" "$OUT" "one whose id was given to another one"
	assert_equal 703 "$(count "$TO" waiting)" "jobs"
	printf 'nonsense\n' >"$DIR/note"
	expect 4 store import "$TO" --file "$DIR/lines" --resume "$DIR/note"
	assert_contains "is not the note of an import" "$ERR" "another file"
}

# A job that ran when the store was copied: its attempt counts.
test_import_of_running_jobs() {
	make_lines "$DIR/lines" 'job(state => "running", attempt => 1, attempts => 3); job(state => "running", attempt => 3, attempts => 3);'
	expect 0 store import "$FROM" --file "$DIR/lines"
	assert_contains "2 had been running" "$OUT" "import"
	expect 0 store export "$FROM" --history
	assert_contains '"id": 1, "state": "waiting", "pool": "a", "priority": 5, "attempt": 1, "attempts": 3, "crashes": 1' "$OUT" "the first"
	assert_contains '"id": 2, "state": "failed"' "$OUT" "the second"
	assert_contains 'cut short' "$OUT" "its error"
}

# By hand: what is not said comes from the configuration.
test_import_of_little() {
	write_ini "store = $FROM" <<-EOF
		[pool:a]
		command = true
		attempts = 7
		priority = low
		timeout = 5s
	EOF
	printf '%s\n\n%s\n' '{"pool": "a", "payload": "x", "new": {"member": [1, "2", null, true, {}]}}' '{"pool":"strange"}' >"$DIR/lines"
	expect 0 ym store import <"$DIR/lines"
	assert_contains "2 jobs imported into $FROM, 1 of pools that the configuration does not have" "$OUT" "import"
	expect 0 ym store export
	assert_contains '"id": 1, "state": "waiting", "pool": "a", "priority": 7, "attempts": 7' "$OUT" "export"
	assert_contains '"timeout": 5.000' "$OUT" "export"
}

refused_line() { # LINE PART
	printf '{"pool": "a"}\n%s\n' "$1" >"$DIR/lines"
	expect 2 store import "$FROM" --file "$DIR/lines"
	assert_contains "line 2: " "$ERR" "$1"
	assert_contains "$2" "$ERR" "$1"
	assert_contains "0 jobs imported" "$OUT" "$1"
}

test_import_mistakes() { # sanitized
	refused_line 'job' 'an object of JSON'
	refused_line '{"pool": "a"' 'ends in the middle'
	refused_line '{"pool": "a"} {"pool": "a"}' 'something stands behind'
	refused_line '{"pool": "a", "payload": "\x"}' 'unknown escape'
	refused_line '{"pool": "a", "payload": "\ud800"}' 'come in pairs'
	refused_line '{"pool": "a", "payload": "\ud800\u0041"}' 'come in pairs'
	refused_line '{"pool": "a", "payload": "\u00g0"}' 'hexadecimal'
	refused_line '{"pool": "a", "payload_base64": "A"}' 'no base64'
	refused_line '{"pool": "a", "payload_base64": "A===BCD="}' 'no base64'
	refused_line '{"pool": "a", "payload_base64": "QU!D"}' 'no base64'
	refused_line '{"pool": "a", "payload": "x", "payload_base64": "QUJD"}' 'twice'
	refused_line '{"pool": "a", "attempts": 256}' 'out of range'
	refused_line '{"pool": "a", "attempts": -1}' 'out of range'
	refused_line '{"pool": "a", "attempts": 1.5}' 'whole'
	refused_line '{"pool": "a", "id": 99999999999999999999}' 'too large'
	refused_line '{"pool": "a", "priority": 10}' 'no such priority'
	refused_line '{"pool": "a", "state": "ready"}' 'no such state'
	refused_line '{"pool": "a", "tag": "a\u0000b"}' 'NUL'
	refused_line "{\"pool\": \"a\", \"tag\": \"$(printf '%48s' x)\"}" 'longer than 47 bytes'
	refused_line '{"payload": "x"}' 'names no pool'
	refused_line '{"pool": "a", "story": {}}' 'is a list'
	refused_line "{\"pool\": \"a\", \"x\": $(printf '%40s' '' | tr ' ' '[')" 'values within values'
	assert_equal 0 "$(count "$FROM" waiting)" "jobs after mistakes only"
}

# Payloads that are longer than the memory that there is.
test_memory_is_flat() {
	perl -e 'print "{\"pool\": \"a\", \"payload\": \"", "0123456789abcdef" x (48 << 16), "\"}\n" for 1, 2' >"$DIR/lines"
	(
		ulimit -v 60000
		store import "$FROM" --file "$DIR/lines" >"$DIR/out"
	) || fail "import of twice 48 MiB"
	(
		ulimit -v 130000
		store export "$FROM" --output "$DIR/export"
	) 2>/dev/null || fail "export of twice 48 MiB"
	assert_equal 2 "$(grep -c "$(printf '"payload": "0123456789abcdef0123')" "$DIR/export")" "payloads in the export"
	assert_equal "$(($(stat -c %s "$DIR/lines") / 1000000))" "$(($(stat -c %s "$DIR/export") / 1000000))" "megabytes of the export"
}

test_which_store() {
	write_ini <<<$'[pool:a]\ncommand = true'
	expect 2 ym store verify
	assert_contains 'the store is "memory"' "$ERR" "verify without a store"
	expect 0 ym store status
	assert_contains "memory" "$OUT" "status without a store"
	expect 2 store verify -i nobody
	assert_contains "give -c FILE, or its URI" "$ERR" "verify of an instance that never ran"
	expect 2 store verify mysql:x
	assert_contains '"mysql:x" is no store' "$ERR" "no such kind"
	expect 1 store verify "$FROM"
	assert_contains "there is no store" "$ERR" "no such file"
	cd "$DIR" || fail "cd"
	expect 0 store init sqlite:from.db
	assert_contains "$FROM: the store was made" "$OUT" "a relative path"
	expect 0 store init "$FROM"
	assert_contains "up to date" "$OUT" "again"
	write_ini "store = $FROM" <<<$'[pool:a]\ncommand = true'
	expect 0 ym store status
	assert_contains "$FROM" "$OUT" "status by the configuration"
	assert_contains "no jobs" "$OUT" "status of an empty store"
	mkdir "$DIR/run"
	printf '%s' "$FROM" >"$DIR/run/store"
	all_states
	expect 0 ym store import --file "$DIR/lines"
	expect 0 ym store status
	assert_equal "a 1 1 0 1 2 1 1" "$(awk '$1 == "a" {print $1, $2, $3, $4, $5, $6, $7, $8}' <<<"$OUT")" "counts of pool a"
	assert_contains "on disk" "$OUT" "status"
	assert_contains "oldest    waits for" "$OUT" "status"
	expect 0 ym store compact
	assert_contains " before, " "$OUT" "compact"
}

test_damage_is_found() {
	all_states
	expect 0 store import "$FROM" --file "$DIR/lines"
	sqlite3 "$DIR/from.db" "UPDATE job SET state = 5 WHERE id = 2" || fail "sqlite3"
	expect 1 store verify "$FROM"
	assert_contains "job 2 has the state 5" "$OUT" "verify"
	assert_contains "problem" "$OUT" "verify"
}

test_import_needs_the_store_for_itself() {
	make_lines "$DIR/lines" 'job()'
	write_ini "store = $FROM" <<<$'[pool:a]\ncommand = true'
	start_master
	expect 1 ym store import --file "$DIR/lines"
	assert_contains "is running: an import needs the store" "$ERR" "import into a running instance"
	stop_master
	expect 0 store init "$FROM"
	perl -e 'use Fcntl; open(my $f, "+<", shift) or die; my $lock = pack("s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $lock) or die;
		$| = 1; print "locked\n"; sleep 60' "$DIR/from.db.lock" >"$DIR/locker" &
	CLIENT=$!
	wait_until 5 has_line "$DIR/locker" locked
	expect 4 store import "$FROM" --file "$DIR/lines"
	assert_contains "in use by process $CLIENT" "$ERR" "import into a store that is in use"
	slay "$CLIENT"
	expect 0 ym store import --file "$DIR/lines"
}

# What the table of an instance without a master holds stays held: how it ends is written by the next master.
test_init_lets_nothing_go() {
	local verb
	write_ini "store = $FROM" <<<$'[pool:a]\ncommand = true'
	start_master
	expect 0 ym pause a
	seq 20 | ym submit a --lines >/dev/null || fail "submit --lines"
	for verb in init compact; do
		expect 1 ym store "$verb"
		assert_contains "is running: $verb needs the store $FROM for itself" "$ERR" "$verb beside a master"
	done
	slay "$MASTER"
	expect 0 store init "$FROM"
	assert_contains "is up to date" "$OUT" "init of a store that is there"
	start_master
	expect 0 ym resume a
	wait_until 20 is 20 jobs_in_state "done"
	stop_master
	assert_equal 0 "$(grep -c "given to another" "$LOG")" "lines about jobs that were let go"
	assert_equal 20 "$(count "$FROM" "done")" "jobs that are done in the store"
}

# Who asks for something that is not there is told so, and nothing is made.
test_no_such_store() {
	write_ini "store = $FROM" <<<$'[pool:a]\ncommand = true'
	expect 1 ym store compact
	assert_contains "there is no store \"$DIR/from.db\" yet" "$ERR" "compact"
	[[ ! -e $DIR/from.db ]] || fail "compact has made a store"
	expect 2 store status -i never
	assert_contains "instance never has never run here" "$ERR" "status of an instance that never ran"
	expect 2 store status -c "$DIR/no.ini"
	assert_contains "$DIR/no.ini cannot be used" "$ERR" "status without a configuration"
	expect 2 "$YARDMASTER" store -c "$INI" status
	assert_contains "a command has to stand first, before any option" "$ERR" "an option before the command"
}

# From an instance without a store: what is in its table, and what it left when it was stopped.
test_export_of_memory() { # sanitized
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		[pool:fatal]
		command = sh -c 'echo last words >&2; kill -SEGV \$\$'
		backoff = 1ms
		crashes = 2
	EOF
	head -c 1000000 /dev/urandom >"$DIR/payload"
	start_master
	expect 1 ym submit fatal x --wait
	expect 0 ym submit echo "the result" --wait --keep
	submit sleep 60000
	wait_until 5 is running job_state 3
	expect 0 ym pause echo
	submit echo --file "$DIR/payload" --tag big --priority high
	submit echo later --at 2099-01-01T00:00Z --unique u --timeout 5s
	expect 0 ym store export
	assert_equal "1 buried,3 running,4 waiting,5 delayed" \
		"$(sed 's/{"id": \([0-9]*\), "state": "\([a-z]*\)".*/\1 \2/' "$DIR/out" | paste -sd,)" "export of a table"
	expect 0 ym store export --history --output "$DIR/live"
	assert_contains '"result": "the result"' "$(sed -n 2p "$DIR/live")" "result of a job that is done"
	assert_contains '"number": 2, "end": "crashed"' "$(sed -n 1p "$DIR/live")" "its story"
	assert_contains '"stderr": "last words' "$(sed -n 1p "$DIR/live")" "its last words"
	expect 0 ym cancel 3
	wait_until 5 is cancelled job_state 3
	stop_master
	expect 0 ym store export --output "$DIR/kept"
	assert_equal "1 buried,4 waiting,5 delayed" \
		"$(sed 's/{"id": \([0-9]*\), "state": "\([a-z]*\)".*/\1 \2/' "$DIR/kept" | paste -sd,)" "export of a backlog"
	for file in live kept; do
		rm -f "$DIR/to.db"*
		expect 0 store import "$TO" --file "$DIR/$file"
		write_ini "store = $TO" <<<$'[pool:echo]\ncommand = true'
		expect 0 ym show 4 --payload
		assert_same_file "$DIR/payload" "$DIR/out" "payload of job 4 of $file"
		expect 0 ym show 5 --json
		assert_contains '"unique": "u"' "$OUT" "key of job 5 of $file"
		assert_contains '"due": 4070908800.000' "$OUT" "time of job 5 of $file"
		assert_contains '"timeout": 5.000' "$OUT" "limit of job 5 of $file"
	done
}

# One line from sqlite to PostgreSQL, and back into a fresh file: the same jobs, with new ids.
test_move_to_postgresql() {
	local uri
	# shellcheck source=/dev/null
	. "$SOURCE/tests/system/postgres.sh"
	start_postgres
	uri=$(postgres_uri)
	expect 0 store init "$uri"
	all_states
	perl -e 'print "{\"id\": 9, \"pool\": \"a\", \"submitted\": 1700000009, \"payload\": \"", "long " x 250000, "\"}\n"' >>"$DIR/lines"
	expect 0 store import "$FROM" --file "$DIR/lines"
	expect 0 store export "$FROM" --history --output "$DIR/export"
	store export "$FROM" --history 2>/dev/null | store import "$uri" >"$DIR/out" || fail "export | import"
	assert_contains "9 jobs imported" "$(<"$DIR/out")" "import"
	assert_contains "9 with a new id, 1 without their reply address" "$(<"$DIR/out")" "import"
	store export "$uri" --history 2>/dev/null | sed 's/^{"id": [0-9]*, //; s/"node": "command-[^"]*", //' >"$DIR/second" || fail "export"
	# A queue to answer to is one machine's.
	sed 's/^{"id": [0-9]*, //; s/"reply_[a-z]*": [-0-9]*, //g' "$DIR/export" >"$DIR/first"
	assert_same_file "$DIR/first" "$DIR/second" "an export of PostgreSQL"
	expect 0 store status "$uri"
	assert_equal "a 2 1 0 1 2 1 1" "$(awk '$1 == "a" {print $1, $2, $3, $4, $5, $6, $7, $8}' <<<"$OUT")" "counts of pool a"
	write_ini "store = $uri" <<<$'[pool:a]\ncommand = true'
	expect 0 ym jobs --json --error quotes
	assert_contains '"state": "buried"' "$OUT" "a list of PostgreSQL"
	expect 0 ym jobs --newest --limit 1 --json
	expect 0 ym show "$(sed 's/^{"id": \([0-9]*\),.*/\1/' "$DIR/out")" --payload
	assert_equal 1250000 "$(stat -c %s "$DIR/out")" "a long payload"
}

# Into PostgreSQL all ids are new: repeated with the note of the first try, nothing is there twice.
test_import_into_postgresql_is_resumed() {
	local uri importer
	# shellcheck source=/dev/null
	. "$SOURCE/tests/system/postgres.sh"
	start_postgres
	uri=$(postgres_uri)
	expect 0 store init "$uri"
	make_lines "$DIR/lines" 'job(payload => "job $id") for 1 .. 700'
	mkfifo "$DIR/fifo"
	"$YARDMASTER" store import "$uri" --file "$DIR/fifo" --resume "$DIR/note" >/dev/null &
	importer=$!
	exec 5>"$DIR/fifo"
	head -n 600 "$DIR/lines" >&5
	wait_until 10 is 512 count "$uri" waiting
	slay "$importer"
	exec 5>&-
	expect 0 store import "$uri" --file "$DIR/lines" --resume "$DIR/note"
	assert_equal 700 "$(count "$uri" waiting)" "jobs"
	expect 0 store export "$uri" --output "$DIR/export"
	assert_equal 700 "$(grep -o '"payload": "job [0-9]*"' "$DIR/export" | sort -u | wc -l)" "different jobs"
}
