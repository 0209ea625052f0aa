# shellcheck shell=bash disable=SC2016 # expressions in single quotes are for perl
# store_jobs.sh - jobs, show and the verbs with a store behind the table: what only the store knows, what both know.

FROM=sqlite:$DIR/from.db

instance() {
	write_ini "store = $FROM" "$@" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		[pool:outcome]
		plugin = $PLUGINS/outcome.so
		attempts = 1
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		attempts = 9
		backoff = 1ms
	EOF
}

# Fill the store, without a master: perl code that calls job(MEMBERS).
fill() { # CODE
	perl -MJSON::PP -e '
		my $json = JSON::PP->new->canonical->utf8;
		my $id = 0;
		sub job { print $json->encode({id => ++$id, pool => "echo", submitted => 1700000000 + $id, @_}), "\n" }
		eval shift or die $@ || "no value"' "$1; 1" >"$DIR/lines" || fail "perl cannot make jobs"
	expect 0 ym store import --file "$DIR/lines"
}

# Ids of a list, with what it says on stderr in ERR.
ids() { # OPTIONS...
	expect 0 ym jobs --json "$@"
	sed 's/^{"id": \([0-9]*\),.*/\1/' "$DIR/out" | paste -sd' '
}

assert_ids() { # IDS OPTIONS...
	local is
	is=$(ids "${@:2}") || exit 1
	assert_equal "$1" "$is" "jobs ${*:2}"
}

samples() {
	fill '
		job(tag => "red");
		job(tag => "red", priority => 3, unique => "u");
		job(state => "delayed", due => 4000000000);
		job(state => "buried", error => "Disk is FULL", attempt => 3, attempts => 3);
		job(state => "failed", error => "disk full", finished => 1700000500, pool => "sleep");
		job(state => "done", finished => 1700000500, result => "the result", payload => "the payload");
		job(state => "cancelled", finished => 1700000500, submitted => time - 1800);'
}

test_list_without_a_master() { # sanitized
	instance
	samples
	assert_ids "1 2 3 4 5 6 7"
	expect 0 ym jobs
	assert_contains "instance test is not running: this is what its store knows" "$ERR" "a note"
	assert_contains "buried     echo         3/3" "$OUT" "the table"
	assert_ids "1 2" --state waiting
	assert_ids "3" --state delayed
	assert_ids "5" --pool sleep
	assert_ids "" --pool nowhere
	assert_ids "1 2" --tag red
	assert_ids "2" --unique u
	assert_ids "2" --priority high
	assert_ids "4 5" --error "DISK"
	assert_ids "4" --error "disk is"
	assert_ids "7" --since 1h
	assert_ids "1 2 3 4 5 6" --until 1h
	assert_ids "3 4" --since @1700000003 --until @1700000005
	assert_ids "2 3 4" --id 2-4
	assert_ids "6 7" --id 6-
	assert_ids "5" --id 5
	assert_ids "7 6 5 4 3 2 1" --newest
	assert_ids "4 3 2" --newest --id 2-4
	assert_ids "7 6" --newest --limit 2
	assert_ids "2" --tag red --priority high --state waiting
	assert_ids "" --state finishing
	expect 0 ym jobs list --limit 3
	assert_contains "... 4 more: --limit" "$ERR" "a list that is cut"
	assert_equal 4 "$(wc -l <<<"$OUT")" "its lines"
	expect 0 ym jobs --json --id 6
	assert_contains '"stored": true' "$OUT" "a member of jobs in the store"
	assert_contains '"finished": 1700000500.000' "$OUT" "when it ended"
	assert_contains '"payload_bytes": 11, "result_bytes": 10' "$OUT" "its sizes"
}

test_mistakes_of_filters() {
	instance
	samples
	expect 2 ym jobs --since yesterday
	assert_contains '--since: "yesterday" is no time' "$ERR" "no time"
	expect 2 ym jobs --id 5-3
	assert_contains '--id: "5-3" is no id' "$ERR" "a range from right to left"
	expect 2 ym jobs --id x
	expect 2 ym jobs --limit many
	expect 2 "$YARDMASTER" jobs -c "$INI" show 1
	assert_contains "a command has to stand first" "$ERR" "a command behind an option"
	expect 2 ym jobs shwo 1
	assert_contains 'did you mean "show"?' "$ERR" "no such command"
	expect 0 ym jobs --help
	assert_contains "retry" "$OUT" "help of jobs"
}

# Without a master nothing is changed, and that is said.
test_verbs_without_a_master() {
	instance
	samples
	for verb in cancel bury kick retry delete; do
		expect 3 ym "$verb" 1
		assert_contains "not running" "$ERR" "$verb"
		expect 3 ym jobs "$verb" --all
		assert_contains "not running" "$ERR" "jobs $verb"
	done
	expect 0 ym jobs kick --all --dry-run
	assert_equal $'job 3: delayed, echo\njob 4: buried, echo\n2 jobs would be meant by `kick`' "$OUT" "kick --dry-run"
	expect 0 ym retry --all --dry-run
	assert_equal $'job 4: buried, echo\njob 5: failed, sleep\n2 jobs would be meant by `retry`' "$OUT" "retry --dry-run"
	expect 0 ym cancel --tag red --dry-run
	assert_contains "2 jobs would be meant by \`cancel\`" "$OUT" "cancel --dry-run"
	expect 0 ym delete --state waiting --priority high --dry-run
	assert_contains "job 2: waiting, echo, red" "$OUT" "delete --dry-run"
	expect 2 ym delete 1 --dry-run
	assert_contains "--dry-run goes with" "$ERR" "--dry-run of a job that is named"
	assert_ids "1 2 3 4 5 6 7"
}

test_show_without_a_master() { # sanitized
	instance
	fill '
		my @story = map { {number => $_, end => "timed out", started => 1700000000 + $_, ended => 1700000010 + $_, status => -1,
			error => "slow, $_", node => "here"} } 1 .. 30;
		job(state => "failed", attempt => 30, attempts => 30, error => "slow, 30", finished => 1700000040, story => \@story,
			last_note => "the note", stderr => "last words\n", payload => "the payload");
		job(state => "done", finished => 1700000040, attempt => 1, result_base64 => "AP8K");'
	expect 0 ym show 1
	assert_contains "job 1: failed" "$OUT" "show"
	assert_equal 30 "$(grep -c '^  attempt [0-9]* *timed out after 10.0s' <<<"$OUT")" "attempts"
	assert_contains "slow, 17" "$OUT" "show"
	assert_contains "last note   the note" "$OUT" "show"
	assert_contains "    last words" "$OUT" "show"
	assert_contains "in the store" "$OUT" "show"
	expect 0 ym jobs show 1 --json
	assert_equal 30 "$(grep -o '"end": "timed out"' <<<"$OUT" | wc -l)" "attempts of show --json"
	expect 0 ym show 1 --payload
	assert_equal "the payload" "$OUT" "show --payload"
	expect 0 ym show 2 --result
	assert_equal 00ff0a "$(od -An -tx1 "$DIR/out" | tr -d ' ')" "show --result"
	expect 1 ym show 1 --result
	assert_contains "job 1 is failed: it has no result" "$ERR" "show --result of a job that failed"
	expect 1 ym show 3
	assert_contains "there is no job 3" "$ERR" "show of no job"
	expect 2 ym show 1 2 --payload
	expect 2 ym show 1 --payload --json
}

# A terminal gets as many as it bears: those that run, those that wait, those that ended last.
test_list_on_a_terminal() {
	instance
	fill '
		job(state => "done", finished => 1700000500) for 1 .. 900;
		job(state => "buried") for 1 .. 150;
		job() for 1 .. 700;'
	expect 0 env TERM=xterm script -qec "'$YARDMASTER' jobs -c '$INI'" /dev/null
	assert_contains "... 750 more: --limit" "$OUT" "what is left out"
	assert_equal 700 "$(grep -c ' waiting ' <<<"$OUT")" "waiting jobs"
	assert_equal 150 "$(grep -c ' buried ' <<<"$OUT")" "buried jobs"
	assert_equal 150 "$(grep -c ' done ' <<<"$OUT")" "jobs that are done"
	assert_equal 751 "$(awk '$2 == "done" {print $1; exit}' <<<"$OUT")" "the oldest of those that ended last"
	expect 0 env TERM=xterm script -qec "'$YARDMASTER' jobs -c '$INI' --limit 0" /dev/null
	assert_equal 1750 "$(grep -c echo <<<"$OUT")" "all of them"
	expect 0 ym jobs
	assert_equal 1750 "$(grep -c echo <<<"$OUT")" "all of them, into a pipe"
}

# ---- with a master -----------------------------------------------------------------------------------------------------

in_state() { # STATE
	ym jobs --state "$1" --json | wc -l
}

# A window that is smaller than the backlog: most jobs are in the store only; each is listed once, as it is.
test_list_of_table_and_store() {
	instance "jobs = 64"
	start_master
	expect 0 ym pause echo
	submit sleep 60000
	wait_until 5 is running job_state 1
	expect 0 ym submit echo --lines --quiet < <(seq 500)
	assert_equal 501 "$(ym jobs --json | wc -l)" "jobs"
	assert_equal 501 "$(ym jobs --json | grep -o '^{"id": [0-9]*' | sort -u | wc -l)" "different jobs"
	assert_equal "running 500" "$(job_state 1) $(in_state waiting)" "states"
	expect 0 ym show 400
	assert_contains "job 400: waiting" "$OUT" "show of one"
	expect 0 ym show 400 --payload
	assert_equal 399 "$OUT" "its payload"
	expect 0 ym resume echo
	wait_until 20 is 500 in_state "done"
	assert_equal 501 "$(ym jobs --json | grep -o '^{"id": [0-9]*' | sort -u | wc -l)" "different jobs when they are done"
	expect 0 ym show 400 --result
	assert_equal 399 "$OUT" "a result in the store"
	expect 0 ym cancel 1
}

test_verbs_by_filter_in_the_store() {
	instance "jobs = 64"
	start_master
	expect 0 ym pause echo
	expect 0 ym submit echo --lines --quiet --tag many < <(seq 1200)
	expect 0 ym jobs bury --tag many
	assert_equal "1200 jobs buried" "$OUT" "bury"
	assert_equal 1200 "$(in_state buried)" "buried jobs"
	expect 0 ym kick --id 1-700
	assert_equal "700 jobs kicked" "$OUT" "kick"
	expect 0 ym cancel --state waiting
	assert_equal "700 jobs cancelled" "$OUT" "cancel"
	expect 0 ym retry --all
	assert_equal "500 jobs to be tried again" "$OUT" "retry"
	expect 0 ym retry --state cancelled
	assert_equal "700 jobs to be tried again" "$OUT" "retry of what was cancelled"
	expect 0 ym bury 1 1200
	assert_equal $'job 1: buried\njob 1200: buried' "$OUT" "bury of two"
	expect 1 ym bury 1200
	assert_contains "job 1200 is buried: only jobs that wait can be buried" "$ERR" "bury twice"
	expect 1 ym kick 5000
	assert_contains "there is no job 5000" "$ERR" "kick of no job"
	expect 0 ym delete --all
	assert_equal "2 jobs deleted" "$OUT" "delete"
	expect 0 ym resume echo
	wait_until 20 is 1198 in_state "done"
	expect 0 ym delete --all
	assert_equal "1198 jobs deleted" "$OUT" "delete"
	assert_equal 0 "$(ym jobs --json | wc -l)" "jobs"
}

# All attempts are told, more than the table keeps.
test_story_of_all_attempts() {
	instance
	start_master
	expect 0 ym submit flaky 8 --wait
	expect 0 ym show 1
	assert_equal "$(seq -s' ' 9)" "$(sed -n 's/^  attempt \([0-9]\) .*/\1/p' "$DIR/out" | paste -sd' ')" "attempts that are told"
	stop_master
	expect 0 ym show 1
	assert_equal 9 "$(grep -c '^  attempt [1-9] ' <<<"$OUT")" "attempts that are told when it is stopped"
}

# With its unique key taken, a job in the store stays where it is.
test_kick_against_a_unique_key_in_the_store() {
	instance
	fill 'job(state => "buried", unique => "key")'
	start_master
	expect 0 ym pause echo
	submit echo x --unique key
	expect 1 ym kick 1
	assert_contains 'job 1: another job with the unique key "key" waits or runs' "$ERR" "kick"
	expect 1 ym retry --all
	assert_equal "0 jobs to be tried again" "$OUT" "retry of all"
	assert_contains 'job 1: another job with the unique key "key"' "$ERR" "retry of all"
}

# Jobs in the store are its master's: without one nothing is done, and the exit code is 3.
test_verbs_after_the_master_was_killed() {
	instance
	fill 'job(state => "buried")'
	start_master
	slay "$MASTER"
	expect 3 ym kick 1 --patience 200ms
	assert_contains "has no master that could write to its store: nothing was done" "$ERR" "kick"
	expect 3 ym kick --all --patience 200ms
	expect 0 ym jobs --state buried
	assert_contains "has no master right now" "$ERR" "list"
	assert_contains " buried " "$OUT" "list"
	start_master
}

# What an instance leaves is exported, imported into an empty store, and done there.
test_move_to_another_store() {
	instance
	start_master
	expect 0 ym pause echo
	expect 0 ym submit echo --lines --quiet < <(seq 300)
	stop_master
	ym store export >"$DIR/export" 2>/dev/null || fail "export"
	FROM=sqlite:$DIR/to.db
	instance
	expect 0 ym store import --file "$DIR/export"
	assert_contains "300 jobs imported" "$OUT" "import"
	start_master
	wait_until 20 is 300 in_state "done"
	expect 0 ym show 300 --result
	assert_equal 300 "$OUT" "a result"
}

# Most of them are never in the table while one looks.
test_watch_what_is_only_in_the_store() { # sanitized
	instance "jobs = 64"
	fill 'job(pool => "outcome", tag => "many", payload => $_ % 100 == 7 ? "2 bad luck" : "0") for 1 .. 300;
		job(pool => "sleep", tag => "nap", payload => "200");
		job(pool => "outcome", state => "buried", error => "old");'
	start_master
	expect 1 ym watch many
	assert_equal 297 "$(grep -c ': done' <<<"$OUT")" "jobs seen done"
	assert_equal 3 "$(grep -c ': failed: bad luck' <<<"$OUT")" "jobs seen to fail"
	expect 0 ym watch nap
	assert_contains "#301 nap: done in " "$OUT" "a job that is over when one looks"
	expect 1 ym watch 302
	assert_contains "#302: buried: old" "$OUT" "a buried one of the store"
	expect 1 ym watch 4711
	assert_contains "there is no job 4711" "$ERR" "no job"
	stop_master
	expect 3 ym watch 1
	assert_contains "is not running" "$ERR" "no instance"
}

# Where many share a store, a job of our table says that it is here.
test_node_of_jobs() {
	# shellcheck source=tests/system/postgres.sh
	. "$SOURCE/tests/system/postgres.sh"
	start_postgres
	write_ini "store = $(postgres_uri)" "node = alpha" <<<"[pool:sleep]"$'\n'"plugin = $PLUGINS/sleep.so"
	expect 0 ym store init
	start_master
	submit sleep 60000
	wait_until 10 is running job_state "$JOB"
	expect 0 ym jobs
	assert_equal alpha "$(awk '$1 == "JOB" {for (i = 1; i <= NF; i++) if ($i == "NODE") at = i} at && $2 == "running" {print $at}' \
		"$DIR/out")" "column NODE"
	expect 0 ym jobs --json
	assert_contains '"node": "alpha"' "$OUT" "jobs --json"
	expect 0 ym show "$JOB"
	assert_contains "alpha" "$OUT" "show"
	stop_master --now
	stop_postgres
}
