# shellcheck shell=bash disable=SC2016 # expressions for perl
# commands.sh - what people type and what they get to see.

VERBS="run check submit status watch jobs cancel stop ipc ftok sem shm msg"

test_help() { # sanitized
	local verb
	expect 0 "$YARDMASTER" --help
	for verb in $VERBS; do
		assert_contains "  $verb " "$OUT" "overview"
	done
	assert_lacks "guardian" "$OUT" "overview"
	for verb in $VERBS; do
		expect 0 "$YARDMASTER" "$verb" --help
		assert_contains "usage: yardmaster $verb " "$OUT" "$verb --help"
		assert_contains "--help" "$OUT" "$verb --help"
		expect 0 "$YARDMASTER" "$verb" -h
	done
	expect 0 "$YARDMASTER" --version
	assert_contains "yardmaster " "$OUT" "version"
}

test_mistakes() { # sanitized
	local verb
	expect 2 "$YARDMASTER"
	assert_contains "usage: yardmaster COMMAND" "$ERR" "no command"
	expect 2 "$YARDMASTER" statsu
	assert_contains 'no command "statsu": did you mean "status"?' "$ERR" "unknown command"
	for verb in $VERBS; do
		expect 2 "$YARDMASTER" "$verb" --frobnicate
		assert_contains "unknown option --frobnicate" "$ERR" "$verb"
		assert_contains "usage: yardmaster $verb " "$ERR" "$verb"
	done
	expect 2 "$YARDMASTER" status -x
	assert_contains "unknown option -x" "$ERR" "unknown letter"
	expect 2 "$YARDMASTER" status --config
	assert_contains "--config needs a value" "$ERR" "option without its value"
	expect 2 "$YARDMASTER" status too much
	assert_contains 'too many arguments: "too"' "$ERR" "too many arguments"
	expect 2 "$YARDMASTER" status -i ../etc
	assert_contains "no instance name" "$ERR" "instance name"
	expect 2 "$YARDMASTER" status -c "$DIR/missing.ini"
	assert_contains "missing.ini" "$ERR" "missing file"
	expect 2 "$YARDMASTER" ipc rm
	assert_contains 'no command "rm"' "$ERR" "unknown ipc verb"
}

busy_instance() {
	write_ini <<-EOF
		[limit:one]
		max = 1
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		workers = 2
		limits = one
		[pool:outcome]
		plugin = $PLUGINS/outcome.so
		attempts = 1
	EOF
	start_master
	submit sleep 60000 --tag "the \"long\" one"
	wait_until 5 is running job_state 1
	submit sleep 1
	submit outcome "2 a \"quoted\" $(printf 'reason\twith\\control\001characters\377')"
	submit outcome 0
	wait_until 5 is one job_field 2 waits_for_limit
	wait_until 5 is "done" job_state 4
	wait_until 5 is 1 cell outcome FAILED
}

test_status_text() { # sanitized
	busy_instance
	expect 0 ym status
	assert_contains "instance test: running, up " "$OUT" "head"
	assert_contains "master pid $MASTER, $DIR/run" "$OUT" "head"
	wait_until 5 is 2/2 cell sleep WORKERS
	wait_until 5 is 1 cell sleep RUNNING
	wait_until 5 is 1 cell one HELD
	assert_equal 1 "$(cell outcome DONE)" "done jobs"
	assert_equal 1 "$(cell one USED)" "used units"
	assert_equal 1 "$(cell one MAX)" "units"
	[[ $OUT =~ sleep\ +busy\ +1\ +1/3\ the\ \"long\"\ one\ .*%\ [0-9].*\ of\ .*attempt\ 1 ]] ||
		fail "no progress in: $OUT"
	ym cancel 1 >/dev/null
}

# Reads JSON from stdin and evaluates an expression with $_ on it.
json() { # EXPRESSION
	perl -MJSON::PP -e '
		local $/;
		$_ = eval {JSON::PP->new->utf8->decode(<STDIN>)} // do {print "no JSON: $@"; exit};
		print eval $ARGV[0];
	' "$1"
}

test_status_json() { # sanitized
	busy_instance
	wait_until 5 is 1 cell one HELD
	expect 0 ym status --json
	assert_equal "test $MASTER running" "$(json '"$_->{instance} $_->{master_pid} $_->{state}"' <<<"$OUT")" "head"
	assert_equal "sleep 2 1 1 one, outcome 1 0 0 " \
		"$(json 'join ", ", map {"$_->{name} $_->{workers} $_->{running} $_->{waiting} $_->{waits_for_limit}"} @{$_->{pools}}' <<<"$OUT")" "pools"
	assert_equal "one 1 0 1" \
		"$(json 'join ", ", map {"$_->{name} $_->{max} $_->{free} $_->{held}"} @{$_->{limits}}' <<<"$OUT")" "limits"
	assert_equal 'the "long" one, 60000, ms, attempt 1' "$(json '
		my ($busy) = grep {$_->{job}} @{$_->{workers}};
		"$busy->{tag}, $busy->{progress}{total}, $busy->{progress}{unit}, $busy->{progress}{note}"' <<<"$OUT")" "worker"
	ym cancel 1 >/dev/null
	slay "$MASTER"
	expect 3 ym status --json
	assert_equal "no master 0" "$(json '"$_->{state} $_->{master_pid}"' <<<"$OUT")" "head without a master"
	expect 0 ym stop
}

test_jobs_and_their_filters() { # sanitized
	local line
	busy_instance
	expect 0 ym jobs
	assert_contains "a \"quoted\" reason" "$OUT" "jobs"
	expect 0 ym jobs --json
	while read -r line; do
		assert_equal HASH "$(json 'ref' <<<"$line")" "type of the line $line"
	done <<<"$OUT"
	assert_equal 4 "$(ym jobs --json | wc -l)" "all jobs"
	assert_equal 2 "$(ym jobs --pool sleep --json | wc -l)" "jobs of a pool"
	assert_equal 1 "$(ym jobs --state failed --json | wc -l)" "failed jobs"
	assert_equal 1 "$(ym jobs --tag 'the "long" one' --json | wc -l)" "jobs with a tag"
	assert_equal 0 "$(ym jobs --pool sleep --state "done" --json | wc -l)" "two filters"
	expect 2 ym jobs --state finished
	assert_contains "there are waiting, running," "$ERR" "unknown state"
	assert_equal 0 "$(ym jobs | grep -c "$(printf '\001')")" "control characters in the table"
	ym cancel 1 >/dev/null
}

# The words of a task are shown, but a terminal gets nothing to obey: no escape, and no other form of it.
test_words_of_tasks() { # sanitized
	local command said=$'bad\033[31m luck\007\xc2\x9b32m' shown='bad?[31m luck??32m'
	write_ini <<-EOF
		[pool:outcome]
		plugin = $PLUGINS/outcome.so
	EOF
	start_master
	expect 1 ym submit outcome "2 $said" --wait
	assert_equal "yardmaster: job 1 failed: $shown" "$ERR" "submit --wait"
	for command in "wait 1" "watch 1" "show 1" jobs; do
		# shellcheck disable=SC2086 # words
		ym $command >"$DIR/said" 2>&1
		assert_contains "$shown" "$(<"$DIR/said")" "$command"
	done
	# Where the locale has wide characters, they have two columns.
	submit outcome "2 again" --tag 日本
	wait_until 10 is failed job_state "$JOB"
	LC_ALL=C.UTF-8 ym jobs --tag 日本 >"$DIR/said"
	assert_contains "  日本  again" "$(<"$DIR/said")" "a tag of four columns"
	LC_ALL=C ym jobs --tag 日本 >"$DIR/said"
	assert_contains "  日本   again" "$(<"$DIR/said")" "a tag that the locale does not know"
}

test_watch() { # sanitized
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		[pool:outcome]
		plugin = $PLUGINS/outcome.so
	EOF
	start_master
	submit sleep 300 --tag nap
	expect 0 ym watch "$JOB"
	[[ $OUT =~ ^"#1 nap: "(waiting|running, attempt 1 of 3|.*%.*"of 300 ms"|.*%.*"/300 ms") ]] || fail "first line of watch: $OUT"
	assert_contains "#1 nap: done in " "$OUT" "watch"
	assert_lacks $'\033' "$OUT" "watch without a terminal"
	submit outcome "2 bad luck"
	expect 1 ym watch "$JOB"
	assert_contains "failed: bad luck" "$OUT" "watch of a job that fails"
	expect 1 ym watch 7000
	assert_equal "yardmaster: there is no job 7000" "$ERR" "watch of a job that never was"
	expect 0 ym watch
	expect 1 ym watch one
	assert_contains '"one" is no job id, no pool and no tag' "$ERR" "watch of nothing"
	expect 2 ym watch 1 one
	assert_contains '"one" is no job id' "$ERR" "watch of no number"
	expect 0 ym watch outcome
	assert_equal "" "$OUT$ERR" "watch of a pool without jobs"
	expect 0 ym watch nap
	assert_contains "#1 nap: done in " "$OUT" "watch of a tag whose job is over"
	submit outcome "2 again" --tag bad
	expect 1 ym watch bad
	assert_contains "failed: again" "$OUT" "watch of a tag"
	submit sleep 300
	expect 0 ym watch sleep
	assert_contains "#$JOB: done in " "$OUT" "watch of a pool"
	assert_lacks "nap" "$OUT" "watch of a pool"
	# One that stands still is waited for: it is looked at more than once meanwhile.
	expect 0 ym pause outcome
	submit outcome 0
	ym_background watch "$JOB" >"$DIR/watched" 2>&1
	wait_until 10 grep -q "#$JOB: waiting" "$DIR/watched"
	expect 0 ym submit sleep 500 --wait
	expect 0 ym resume outcome
	wait "$CLIENT"
	assert_equal 0 $? "exit code of watch of a job that waits"
	assert_contains "#$JOB: done in " "$(<"$DIR/watched")" "watch of a job that waits"
	submit sleep 60000
	ym_background watch "$JOB" >"$DIR/watched" 2>&1
	wait_until 5 has_lines "$DIR/watched" 1
	stop_master --now
	wait "$CLIENT"
	assert_equal 3 $? "exit code of watch when the instance is stopped"
	assert_contains "was stopped; unfinished jobs are kept" "$(<"$DIR/watched")" "watch of a stopped instance"
}

# Forgotten before it is looked at again.
test_watch_of_what_is_forgotten() {
	write_ini "result_ttl = 0s" <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	submit sleep 300
	ym_background watch "$JOB" >"$DIR/watched" 2>&1
	wait_until 5 grep -q "^#$JOB: " "$DIR/watched"
	kill -STOP "$CLIENT"
	wait_until 10 is "" job_state "$JOB"
	kill -CONT "$CLIENT"
	wait "$CLIENT"
	assert_equal 1 $? "exit code of watch of a job that is forgotten"
	assert_contains "job $JOB is over, and how it ended is not known any more" "$(<"$DIR/watched")" "watch"
}

test_watch_over_a_dead_master() {
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	submit sleep 1000
	wait_until 5 is running job_state "$JOB"
	ym_background watch "$JOB" >"$DIR/watched" 2>&1
	wait_until 5 has_lines "$DIR/watched" 1
	slay "$MASTER"
	wait "$CLIENT"
	assert_equal 0 $? "exit code of watch"
	assert_contains "has no master right now" "$(<"$DIR/watched")" "watch without a master"
	expect 0 ym stop
}

# On a terminal there are bars; script(1) makes one.
test_watch_on_a_terminal() {
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	submit sleep 500 --tag nap
	expect 0 env TERM=xterm NO_COLOR=1 script -qec "'$YARDMASTER' watch -c '$INI' $JOB" /dev/null
	assert_contains "#1 nap" "$OUT" "bars"
	assert_contains "[###" "$OUT" "bars"
	assert_contains "1 of 1 done" "$OUT" "bars"
	assert_lacks $'\033[3' "$OUT" "colours with NO_COLOR"
}

test_ipc_ls() { # sanitized
	local kinds
	write_ini <<-EOF
		[limit:one]
		max = 3
		[pool:echo]
		plugin = $PLUGINS/echo.so
		limits = one
	EOF
	start_master
	wait_until 5 is 1 eval 'worker_pids echo | wc -l'
	expect 0 ym ipc ls
	kinds=$(awk '$3 ~ /^0x/ {print $1 "." $2}' <<<"$OUT" | sort | paste -sd' ')
	assert_equal "queue.queue.echo segment.board segment.members segment.table semaphore.limit.one semaphore.members" \
		"$kinds" "objects"
	assert_equal 6 "$(ipc_objects)" "objects that the kernel has"
	assert_contains "3 of 3 units free" "$OUT" "the limit"
	[[ $OUT =~ master\ +pid\ $MASTER ]] || fail "no master among the participants: $OUT"
	[[ $OUT =~ worker\ +pid\ $(worker_pids echo) ]] || fail "no worker among the participants: $OUT"
}
