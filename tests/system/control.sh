# shellcheck shell=bash disable=SC2016 # the text of perl programs
# control.sh - asking the master: scale, restart, start, stop, reload, signal, reopen, upgrade.

# ---- what is sent, and what is printed ------------------------------------------------------------------------------

# Nobody else is there: it writes down what it is asked, and says what is in the file `answer`.
pretender() { # SOCKET REQUESTS ANSWER
	perl -MIO::Socket::UNIX -e '
		my ($path, $requests, $answer) = @ARGV;
		my $server = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "listen: $!";
		my $since = 1;
		while (my $client = $server->accept) {
			my $line = <$client>;
			if ($line =~ /"ping"/) {
				print $client "{\"version\": \"9.$since\", \"pid\": $$, \"since\": $since}\n{\"exit\": 0}\n";
				next;
			}
			open my $to, ">>", $requests or die;
			print $to $line;
			close $to;
			$since++ if $line =~ /"upgrade"/ && !-e "$answer.old";
			open my $from, "<", $answer or die;
			print {$client} join "", <$from>;
		}' "$@" &
	MASTER=$!
}

start_pretender() {
	write_ini <<<$'[pool:mail]\ncommand = cat'
	mkdir -p "$DIR/run"
	echo '{"exit": 0}' >"$DIR/answer"
	pretender "$DIR/run/control" "$DIR/requests" "$DIR/answer"
	wait_until 10 test -S "$DIR/run/control"
}

# COMMAND LINE, then the request that comes of it.
REQUESTS='
scale mail 8                    {"verb": "scale", "args": ["mail", "8"], "flags": []}
scale mail 2..16                {"verb": "scale", "args": ["mail", "2..16"], "flags": []}
restart mail web                {"verb": "restart", "args": ["mail", "web"], "flags": []}
restart --all                   {"verb": "restart", "args": [], "flags": ["all"]}
start mail                      {"verb": "start", "args": ["mail"], "flags": []}
stop mail                       {"verb": "stop", "args": ["mail"], "flags": []}
stop mail --now                 {"verb": "stop", "args": ["mail"], "flags": ["now"]}
start --all                     {"verb": "start", "args": [], "flags": ["all"]}
stop --all                      {"verb": "stop", "args": [], "flags": ["all"]}
stop --all --now                {"verb": "stop", "args": [], "flags": ["all", "now"]}
reload                          {"verb": "reload", "args": [], "flags": []}
reload --dry-run                {"verb": "reload", "args": [], "flags": ["dry-run"]}
reopen                          {"verb": "reopen", "args": [], "flags": []}
signal mail/3 USR2              {"verb": "signal", "args": ["mail/3", "USR2"], "flags": []}
upgrade                         {"verb": "upgrade", "args": [], "flags": []}
upgrade --wait                  {"verb": "upgrade", "args": [], "flags": []}'

test_requests() { # sanitized
	local line command words requests=0
	start_pretender
	while read -r line; do
		[[ -n $line ]] || continue
		command=${line%%  *}
		read -ra words <<<"$command"
		: >"$DIR/requests"
		expect 0 ym "${words[@]}"
		assert_equal "${line#"${line%%\{*}"}" "$(<"$DIR/requests")" "request of $command"
		requests=$((requests + 1))
	done <<<"$REQUESTS"
	assert_equal 16 "$requests" "commands tried"
	slay "$MASTER"
}

test_answers() { # sanitized
	start_pretender
	printf '%s\n' '{"out": "one"}' '{"err": "no pool \"mial\""}' '{"out": "two"}' '{"exit": 2}' >"$DIR/answer"
	expect 2 ym restart mial --wait
	assert_equal $'one\ntwo' "$OUT" "output"
	assert_equal 'yardmaster: no pool "mial"' "$ERR" "errors"
	echo '{"out": "one"}' >"$DIR/answer"
	expect 3 ym reload
	assert_contains "instance test: the master ended before its answer" "$ERR" "half an answer"
	slay "$MASTER"
}

test_upgrade_is_waited_for() { # sanitized
	start_pretender
	echo '{"exit": 0}' >"$DIR/answer"
	expect 0 ym upgrade --wait
	assert_equal "instance test: version 9.2 runs (master pid $MASTER, before: version 9.1)" "$OUT" "upgrade --wait"
	: >"$DIR/answer.old"
	expect 1 ym upgrade --wait --timeout 50ms
	assert_contains "(pid $MASTER) still is what it was, version 9.2" "$ERR" "an upgrade that did not come"
	slay "$MASTER"
	expect 3 ym upgrade --wait
	assert_contains "not running" "$ERR" "upgrade of nobody"
}

test_mistakes() { # sanitized
	write_ini <<<$'[pool:mail]\ncommand = cat'
	expect 2 ym restart
	assert_contains "Give names, or --all" "$ERR" "restart of nothing"
	expect 2 ym restart mail --all
	assert_contains "Give names, or --all" "$ERR" "restart of names and all"
	expect 2 ym restart mail --timeout 1s
	assert_contains "--timeout goes with --wait" "$ERR" "--timeout alone"
	expect 2 ym stop mail --timeout 1s
	assert_contains "--timeout goes with --wait" "$ERR" "--timeout alone"
	expect 2 ym start mail --wait --timeout soon
	expect 2 ym scale mail
	expect 2 ym start
	assert_contains "start what? Give names, or --all" "$ERR" "start of nothing"
	expect 2 ym start mail --all
	assert_contains "start what? Give names, or --all" "$ERR" "start of names and all"
	expect 2 ym stop mail --all
	assert_contains "stop what? Give names, or --all" "$ERR" "stop of names and all"
	expect 2 ym stop --all --timeout 1s
	assert_contains "--timeout goes with --wait" "$ERR" "--timeout alone"
	expect 2 ym signal mail
	expect 2 ym reload now
	expect 2 ym upgrade now
}

test_without_a_master() { # sanitized
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	expect 3 ym scale echo 3
	assert_contains "not running" "$ERR" "before any start"
	assert_contains "Start it with \`yardmaster run FILE\`" "$ERR" "what to do"
	start_master
	# From here on it has a worker that goes on.
	expect 0 ym submit echo x --wait
	slay "$MASTER"
	expect 3 ym reload
	assert_contains "instance test: not running: no master listens on \"$DIR/run/control\" (workers may go on without one)" \
		"$ERR" "after its death"
	expect 0 ym submit echo x --wait
	expect 0 ym stop
}

# ---- the real master ------------------------------------------------------------------------------------------------

instance() {
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 2
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		workers = 2
	EOF
	start_master
	wait_until 10 has_workers echo 2
	wait_until 10 has_workers sleep 2
}

has_workers() { # POOL NUMBER
	[[ $(cell "$1" WORKERS) == "$2/$2" && $(worker_pids "$1" | wc -l) == "$2" ]]
}

all_done() { # JOBS
	(($(jobs_in_state "done") == $1))
}

test_scale() { # sanitized
	instance
	expect 0 ym scale echo 5
	wait_until 10 has_workers echo 5
	expect 0 ym scale echo 1
	wait_until 10 has_workers echo 1
	expect 0 ym submit echo x --wait
	expect 0 ym scale echo 3..6
	wait_until 10 has_workers echo 3
	expect 2 ym scale ecko 3
	assert_contains 'did you mean "echo"?' "$ERR" "unknown pool"
	expect 2 ym scale echo many
	expect 2 ym scale echo 5..2
	expect 2 ym scale echo -1
	wait_until 10 has_workers echo 3
	has_workers sleep 2 || fail "the other pool has changed"
}

# Fewer workers, but every job that runs is finished, at its first attempt.
test_scale_down_lets_jobs_finish() {
	local i
	instance
	expect 0 ym scale sleep 8
	wait_until 10 has_workers sleep 8
	for ((i = 0; i < 20; i++)); do
		submit sleep 300 --keep
	done
	wait_until 10 is 8 jobs_in_state running
	expect 0 ym scale sleep 1
	expect 0 ym scale sleep 4
	wait_until 20 all_done 20
	wait_until 10 has_workers sleep 4
	assert_equal 0 "$(ym jobs --json | grep -cv '"attempt": 1,')" "jobs that needed another attempt"
}

# Prints the smallest number of workers alive that was seen until the file is there.
watch_workers() { # POOL FILE
	local least=1000 now
	until [[ -e $2 ]]; do
		now=$(cell "$1" WORKERS)
		now=${now%/*}
		[[ -z $now ]] || ((now >= least)) || least=$now
	done
	echo "$least"
}

test_restart_rolls() { # sanitized
	local before watcher
	instance
	before=$(worker_pids sleep)
	submit sleep 500
	wait_until 5 is running job_state "$JOB"
	watch_workers sleep "$DIR/over" >"$DIR/least" &
	watcher=$!
	expect 0 ym restart sleep --wait
	assert_contains "sleep: restarted" "$OUT" "restart --wait"
	: >"$DIR/over"
	wait "$watcher"
	(($(<"$DIR/least") >= 2)) || fail "only $(<"$DIR/least") workers at some time"
	has_workers sleep 2 || fail "after --wait: $(cell sleep WORKERS) workers"
	assert_equal "" "$(comm -12 <(sort <<<"$before") <(worker_pids sleep | sort))" "workers of before"
	expect 0 ym wait "$JOB"
	assert_equal 1 "$(job_field "$JOB" attempt)" "attempts of the job that ran"
	has_workers echo 2 || fail "the other pool has changed"
}

test_restart_takes_the_new_plugin() {
	cp "$PLUGINS/echo.so" "$DIR/task.so"
	write_ini <<-EOF
		[pool:task]
		plugin = $DIR/task.so
		workers = 2
	EOF
	start_master
	expect 0 ym submit task hello --wait
	assert_equal hello "$OUT" "result of the old plugin"
	cp "$PLUGINS/describe.so" "$DIR/new.so"
	mv "$DIR/new.so" "$DIR/task.so"
	expect 0 ym restart --all --wait
	assert_contains "everything restarted" "$OUT" "restart --all --wait"
	expect 0 ym submit task hello --wait
	assert_contains "pool=task" "$OUT" "result of the new plugin"
}

test_restart_of_what_is_not_there() {
	local before
	instance
	before=$(worker_pids echo)
	expect 2 ym restart echo slep
	assert_contains 'did you mean "sleep"?' "$ERR" "unknown pool"
	submit sleep 60000
	wait_until 5 is running job_state "$JOB"
	expect 1 ym restart sleep --wait --timeout 200ms
	assert_contains "sleep is not done yet; the master goes on with it" "$ERR" "time is up"
	assert_equal "$before" "$(worker_pids echo)" "workers after a mistake"
	expect 0 ym cancel "$JOB"
	expect 0 ym restart sleep --wait --timeout 10s
}

test_stop_and_start_of_a_pool() { # sanitized
	instance
	expect 0 ym stop echo --wait
	assert_contains "echo: stopped" "$OUT" "stop --wait"
	assert_equal "" "$(worker_pids echo)" "workers of a stopped pool"
	submit echo x
	expect 0 ym submit sleep 1 --wait
	assert_equal waiting "$(job_state "$JOB")" "a job for a stopped pool"
	expect 2 ym stop ecko
	assert_contains 'did you mean "echo"?' "$ERR" "unknown pool"
	expect 0 ym start echo --wait
	assert_contains "echo: started" "$OUT" "start --wait"
	has_workers echo 2 || fail "after start: $(cell echo WORKERS) workers"
	expect 0 ym wait "$JOB"
}

program_state() { # NAME
	ym status | awk -v name="$1" '$1 == "PROGRAM" {on = 1} on && $1 == name {print $2; exit}'
}

# Everything but the master, which goes on taking jobs.
test_stop_and_start_of_all() { # sanitized
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 2
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		workers = 2
		autostart = no
		[program:nap]
		command = sleep 1000
		startsecs = 0
		[program:broken]
		command = false
		startretries = 0
	EOF
	start_master
	wait_until 10 has_workers echo 2
	wait_until 10 logged "program broken is FATAL"
	expect 0 ym stop --all --wait --timeout 20s
	assert_contains "instance test: everything stopped" "$OUT" "stop --all --wait"
	assert_equal "" "$(worker_pids echo; worker_pids sleep)" "workers"
	assert_equal STOPPED "$(program_state nap)" "state of the program"
	submit echo x
	submit sleep 1
	assert_equal waiting "$(job_state "$JOB")" "a job for a stopped pool"
	sed -i '/^.program:broken/,$d' "$INI"
	expect 0 ym reload
	expect 0 ym start --all --wait --timeout 20s
	assert_contains "instance test: everything started" "$OUT" "start --all --wait"
	has_workers echo 2 || fail "after start: $(cell echo WORKERS) workers"
	has_workers sleep 2 || fail "a pool without autostart has $(cell sleep WORKERS) workers"
	assert_equal RUNNING "$(program_state nap)" "state of the program"
	expect 0 ym wait "$JOB"
}

test_stop_of_all_at_once() {
	instance
	submit sleep 60000
	wait_until 5 is running job_state "$JOB"
	expect 1 ym stop --all --wait --timeout 300ms
	assert_contains "the instance is not done yet" "$ERR" "stop --all of a pool with a job"
	assert_equal running "$(job_state "$JOB")" "the job that runs"
	expect 0 ym stop --all --now --wait --timeout 6s
	assert_equal "" "$(worker_pids echo; worker_pids sleep)" "workers"
	assert_equal waiting "$(job_state "$JOB")" "the job that was cut short"
	expect 0 ym cancel "$JOB"
}

# One that only finishes its jobs is none of all.
test_all_without_what_was_removed() {
	local verb
	instance
	submit sleep 60000
	wait_until 5 is running job_state "$JOB"
	write_ini <<<$'[pool:echo]\nworkers = 2\nplugin = '"$PLUGINS/echo.so"
	expect 0 ym reload
	for verb in start restart stop; do
		expect 0 ym "$verb" --all
		assert_contains "pool echo" "$OUT" "$verb --all"
		assert_lacks "pool sleep" "$OUT" "$verb --all"
	done
	assert_equal running "$(job_state "$JOB")" "the job that runs"
	expect 0 ym cancel "$JOB"
}

test_reload() { # sanitized
	local before
	instance
	before=$(worker_pids echo)
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 2
		[pool:fresh]
		plugin = $PLUGINS/sleep.so
		workers = 3
	EOF
	submit sleep 300
	wait_until 5 is running job_state "$JOB"
	expect 0 ym reload --dry-run
	assert_contains fresh "$OUT" "reload --dry-run"
	assert_contains sleep "$OUT" "reload --dry-run"
	assert_lacks echo "$OUT" "reload --dry-run: what stays"
	has_workers sleep 2 || fail "a dry run has changed something"
	expect 0 ym reload
	wait_until 10 has_workers fresh 3
	expect 0 ym submit fresh 1 --wait
	assert_equal "$before" "$(worker_pids echo)" "workers of a pool that stays"
	wait_until 10 is "" worker_pids sleep
	assert_equal 0 "$(grep -c 'job .* will run again' "$LOG")" "jobs that were cut short"
	expect 0 ym reload
	assert_equal "$before" "$(worker_pids echo)" "workers after a reload of the same file"
}

test_reload_of_a_changed_pool() {
	local before
	instance
	before=$(worker_pids echo)
	sed -i '/echo.so/a option.new = 1' "$INI"
	expect 0 ym reload
	wait_until 10 has_workers echo 2
	wait_until 10 is "" comm -12 <(sort <<<"$before") <(worker_pids echo | sort)
	sed -i 's/^workers = 2/workers = 4/' "$INI"
	kill -HUP "$MASTER"
	wait_until 10 has_workers echo 4
	wait_until 10 has_workers sleep 4
}

# A mistake leaves everything as it was.
test_reload_with_a_mistake() { # sanitized
	local before
	instance
	before=$(worker_pids echo; worker_pids sleep)
	sed -i 's/^workers = 2/workers = 3/; $a worksers = 5' "$INI"
	# The command reads the file itself to find the instance; the second time the mistake is only seen by the master.
	expect 2 ym reload
	assert_contains "test.ini:" "$ERR" "where the mistake is"
	sed '$d' "$INI" >"$DIR/good.ini"
	expect 2 "$YARDMASTER" reload -c "$DIR/good.ini"
	assert_contains "test.ini:" "$ERR" "where the mistake is"
	assert_contains "did you mean \`workers\`?" "$ERR" "what it is"
	assert_contains "nothing is changed" "$ERR" "what is done"
	expect 2 "$YARDMASTER" reload --dry-run -c "$DIR/good.ini"
	cp "$DIR/good.ini" "$INI"
	assert_equal "$before" "$(worker_pids echo; worker_pids sleep)" "workers"
	has_workers echo 2 || fail "a file with a mistake was applied"
	expect 0 ym reload
	wait_until 10 has_workers echo 3
}

other_worker() { # POOL PID
	has_workers "$1" 2 && ! worker_pids "$1" | grep -qx "$2"
}

test_signal() {
	local pid
	instance
	pid=$(worker_pids echo | head -n 1)
	expect 0 ym signal echo/0 KILL
	wait_until 10 other_worker echo "$pid"
	expect 2 ym signal echo SIGNOTHING
	expect 2 ym signal ecko HUP
	assert_contains 'did you mean "echo"?' "$ERR" "unknown pool"
	expect 1 ym signal echo/99 HUP
	assert_contains "echo/99 has no such process" "$ERR" "a worker that is not there"
	expect 2 ym signal echo/first HUP
	expect 2 ym signal echo/ HUP
	has_workers sleep 2 || fail "the other pool has changed"
}

test_reopen() {
	instance
	expect 0 ym reopen
	expect 0 ym submit echo x --wait
}

test_upgrade() { # sanitized
	local before
	instance
	before=$(worker_pids echo; worker_pids sleep)
	submit sleep 500
	wait_until 5 is running job_state "$JOB"
	expect 0 ym upgrade --wait
	assert_contains "runs (master pid $MASTER, before: version " "$OUT" "upgrade --wait"
	assert_equal "$before" "$(worker_pids echo; worker_pids sleep)" "workers after the upgrade"
	expect 0 ym wait "$JOB"
	assert_equal 1 "$(job_field "$JOB" attempt)" "attempts of the job that ran"
	expect 0 ym scale echo 3
	wait_until 10 has_workers echo 3
}
