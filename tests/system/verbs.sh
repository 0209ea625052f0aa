# shellcheck shell=bash
# verbs.sh - cancel, bury, kick and delete, one by one and by what jobs have in common; show.

instance() {
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		[pool:fatal]
		command = sh -c 'echo "progress 3/9 on the way" >&3; echo last words >&2; kill -SEGV \$\$'
		backoff = 1ms
		crashes = 2
		[pool:outcome]
		plugin = $PLUGINS/outcome.so
		attempts = 1
	EOF
	start_master
}

test_one_by_one() { # sanitized
	instance
	expect 0 ym pause echo
	submit echo a
	submit echo b
	submit echo c
	expect 0 ym bury 1 2
	assert_equal $'job 1: buried\njob 2: buried' "$OUT" "bury"
	assert_equal 2 "$(cell echo BURIED)" "buried jobs in status"
	expect 1 ym bury 1
	assert_equal "yardmaster: job 1 is buried: only jobs that wait can be buried" "$ERR" "bury twice"
	expect 1 ym kick 1 3 99
	assert_equal "job 1: kicked" "$OUT" "kick"
	assert_contains "job 3 is waiting: only jobs that are buried" "$ERR" "kick of a waiting job"
	assert_contains "there is no job 99" "$ERR" "kick of no job"
	expect 0 ym delete 2 3
	assert_equal $'job 2: deleted\njob 3: deleted' "$OUT" "delete"
	expect 1 ym delete 2
	assert_contains "there is no job 2 any more" "$ERR" "delete twice"
	expect 0 ym cancel 1
	assert_equal "job 1: cancelled" "$OUT" "cancel"
	expect 1 ym cancel 1
	assert_contains "is over already" "$ERR" "cancel twice"
	expect 0 ym kick 1
	expect 0 ym resume echo
	expect 0 ym wait 1
	assert_equal a "$OUT" "a job that was buried, kicked, cancelled, kicked"
	submit sleep 60000
	wait_until 5 is running job_state 4
	expect 1 ym delete 4
	assert_contains "job 4 is running: only jobs that do not run can be deleted" "$ERR" "delete of a running job"
	expect 1 ym bury 4
	expect 0 ym cancel 4
	expect 2 ym cancel one
	assert_contains '"one" is no job id' "$ERR" "no id"
}

test_by_filter() { # sanitized
	instance
	expect 0 ym pause echo
	submit echo x --tag left
	submit echo x --tag left --priority high
	submit echo x --tag right --unique key
	submit outcome "2 no"
	wait_until 5 is failed job_state 4
	submit sleep 60000
	submit sleep 60000
	wait_until 5 is running job_state 5
	expect 0 ym bury --tag left
	assert_equal "2 jobs buried" "$OUT" "bury by tag"
	expect 0 ym kick --priority 3
	assert_equal "1 job kicked" "$OUT" "kick by priority"
	expect 0 ym kick --tag right
	assert_equal "0 jobs kicked" "$OUT" "kick of nothing"
	expect 0 ym cancel --pool sleep
	assert_equal "1 job cancelled, 1 running job asked to stop" "$OUT" "cancel of a pool"
	wait_until 5 is 2 jobs_in_state cancelled
	expect 0 ym kick --state cancelled --pool echo
	assert_equal "0 jobs kicked" "$OUT" "kick with two filters"
	expect 0 ym bury --unique key
	assert_equal "1 job buried" "$OUT" "bury by key"
	expect 0 ym kick --all
	assert_equal "2 jobs kicked" "$OUT" "kick of all buried ones"
	# What waits is not thrown away unless it is asked for.
	expect 0 ym delete --all
	assert_equal "3 jobs deleted" "$OUT" "delete of all that are over"
	expect 0 ym delete --state waiting --tag left
	assert_equal "2 jobs deleted" "$OUT" "delete of waiting ones"
	assert_equal 3 "$(ym jobs --json | grep -o '"id": [0-9]*' | cut -d' ' -f2)" "what is left"
	expect 2 ym kick
	assert_contains "kick what?" "$ERR" "nothing given"
	expect 2 ym kick 1 --all
	assert_contains "not both" "$ERR" "both given"
	expect 2 ym cancel --pool ehco
	assert_contains 'did you mean "echo"?' "$ERR" "unknown pool"
	expect 2 ym delete --state over
	assert_contains '"over" is no state' "$ERR" "unknown state"
}

# The key is free while its job is buried; then it is somebody else's.
# Nothing starts only to be stopped: what would come next goes last.
test_cancel_of_a_backlog() {
	write_ini <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		workers = 1
		option.file = $DIR/ledger
	EOF
	start_master
	seq 3000 | sed 's/$/ gate/' | "$YARDMASTER" submit ledger --lines --quiet -c "$INI" >/dev/null || fail "submit"
	wait_until 5 grep -q '^1 1 ' "$DIR/ledger"
	expect 0 ym cancel --all
	assert_equal "2999 jobs cancelled, 1 running job asked to stop" "$OUT" "cancel of all"
	wait_until 5 grep -q '^back 1 1 ' "$DIR/ledger"
	assert_equal "" "$(grep -v '^1 1 \|^back 1 1 ' "$DIR/ledger")" "other jobs that began"
}

test_kick_against_a_unique_key() {
	instance
	expect 0 ym pause echo
	submit echo x --unique key
	expect 0 ym bury 1
	submit echo y --unique key
	expect 1 ym kick 1
	assert_contains 'job 1: another job with the unique key "key" waits or runs' "$ERR" "kick of one"
	expect 1 ym kick --all
	assert_equal "0 jobs kicked" "$OUT" "kick of all"
	assert_contains 'job 1: another job with the unique key "key"' "$ERR" "kick of all"
	assert_equal buried "$(job_state 1)" "state afterwards"
}

test_story_of_a_crash() { # sanitized
	instance
	expect 1 ym submit fatal x --wait --tag "the tag" --unique "the key" --priority low
	assert_contains "job 1 buried: " "$ERR" "what --wait says of a buried job"
	expect 0 ym show 1
	assert_contains "job 1: buried" "$OUT" "show"
	assert_contains "tag         the tag" "$OUT" "show"
	assert_contains "unique      the key" "$OUT" "show"
	assert_contains "priority    7 (low)" "$OUT" "show"
	assert_contains "2 killed the worker or the command" "$OUT" "show"
	[[ $OUT =~ submitted\ +$(date +%Y)-[0-9]{2}-[0-9]{2}T[0-9:]{8}[+-][0-9]{2}:[0-9]{2}\ \([0-9.]+s\ ago\) ]] ||
		fail "no wall-clock time in: $OUT"
	assert_contains "attempt 2   crashed after " "$OUT" "show"
	assert_contains "progress 3/9" "$OUT" "show"
	assert_contains "signal 11" "$OUT" "show"
	assert_contains " of memory" "$OUT" "show"
	assert_contains "last note   on the way" "$OUT" "show"
	assert_contains $'standard error output:\n    last words' "$OUT" "show"
	expect 0 ym show 1 --json
	assert_equal "buried 7 the key 2 crashed 11 3 9 on the way last words" "$(perl -MJSON::PP -e '
		my $j = decode_json(<STDIN>);
		my $a = $j->{story}[1];
		print "$j->{state} $j->{priority} $j->{unique} $a->{number} $a->{end} $a->{signal} $a->{done} $a->{total} ",
			"$j->{last_note} $j->{stderr}"' <<<"$OUT" | tr -d '\n')" "show --json"
	expect 0 ym kick 1
	wait_until 5 is buried job_state 1
	expect 0 ym submit echo x --wait
	expect 0 ym show 2
	assert_contains "job 2: done" "$OUT" "show of a job that was done at once"
	assert_lacks "attempt 1" "$OUT" "a job that was done at once has no story"
	expect 1 ym show 3
	assert_contains "there is no job 3" "$ERR" "show of no job"
}

test_watch_by_filter() {
	instance
	submit sleep 60000
	ym_background watch --pool echo --plain >"$DIR/watch"
	wait "$CLIENT"
	assert_equal 0 $? "watch of a pool without jobs"
	expect 1 ym submit fatal x --wait
	expect 1 ym watch 2 --plain
	assert_contains "buried: " "$OUT" "watch of a buried job"
	expect 2 ym watch 1 --pool sleep
	assert_contains "not both" "$ERR" "both given"
	expect 0 ym cancel 1
}
