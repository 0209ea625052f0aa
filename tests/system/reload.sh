# shellcheck shell=bash
# reload.sh - another file for a running instance: what is applied, what is refused, and what nobody notices.

# Lines of the file, from stdin, for the instance of the test and two pools: `echo` stays as it is in most tests.
file() { # [LINES FOR THE POOL ledger...]
	write_ini "jobs = 1024" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 2
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		$(printf '%s\n' "$@")
	EOF
}

with_ledger() { # WORKERS [LINES FOR THE POOL...]
	file "workers = $1" "${@:2}"
	cp "$INI" "$DIR/good.ini"
	start_master
	wait_until 10 has_workers echo 2
	wait_until 10 has_workers ledger "$1"
}

without_ledger() {
	write_ini "jobs = 1024" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 2
	EOF
}

has_workers() { # POOL NUMBER
	[[ $(cell "$1" WORKERS) == "$2/$2" && $(worker_pids "$1" | wc -l) == "$2" ]]
}

none_of() { # POOL PIDS
	[[ -z $(comm -12 <(sort <<<"$2") <(worker_pids "$1" | sort)) ]]
}

all_pids() {
	worker_pids echo
	worker_pids ledger
}

done_jobs() {
	grep -c '^done' "$DIR/ledger"
}

# A field of a pool, from the JSON of `status`.
pool_field() { # POOL FIELD
	ym status --json | tr '{' '\n' | grep -A1 "^\"name\": \"$1\"," | sed -n "s/.*\"$2\": \"\{0,1\}\([^\",}]*\).*/\1/p"
}

# Prints the smallest number of workers that take jobs, seen until the file is there. One that is to end does not count.
watch_capacity() { # POOL FILE
	local least=1000 now
	until [[ -e $2 ]]; do
		now=$(pool_field "$1" RUNNING)
		[[ -z $now ]] || ((now >= least)) || least=$now
	done
	echo "$least"
}

# ---- what changes, and what does not ---------------------------------------------------------------------------------

test_nothing_has_changed() { # sanitized
	local before
	with_ledger 2
	before=$(all_pids)
	expect 0 ym reload
	assert_equal "nothing has changed" "$OUT" "reload"
	sed -i 's/^workers = 2/# a remark\nworkers=2/' "$INI"
	expect 0 ym reload --dry-run
	assert_equal "nothing would change" "$OUT" "reload --dry-run"
	expect 0 ym reload
	assert_equal "$before" "$(all_pids)" "workers"
}

test_only_what_has_changed() { # sanitized
	local before ledger
	with_ledger 2
	before=$(worker_pids echo)
	ledger=$(worker_pids ledger)
	# A live option: nobody is replaced.
	file "workers = 2" "attempts = 7"
	expect 0 ym reload --dry-run
	assert_equal "pool ledger: attempts 3 -> 7" "$OUT" "reload --dry-run"
	submit ledger "1 0" --keep
	assert_equal 3 "$(job_field "$JOB" attempts)" "attempts of a job after the dry run"
	expect 0 ym reload
	assert_equal "pool ledger: attempts 3 -> 7" "$OUT" "reload"
	submit ledger "2 0" --keep
	assert_equal 7 "$(job_field "$JOB" attempts)" "attempts of a job after the reload"
	assert_equal "$ledger" "$(worker_pids ledger)" "workers of the pool with another live option"
	# The size: those that are there stay.
	file "workers = 3" "attempts = 7"
	expect 0 ym reload
	wait_until 10 has_workers ledger 3
	assert_equal "$ledger" "$(comm -12 <(sort <<<"$ledger") <(worker_pids ledger | sort))" "workers after a larger size"
	# What a worker is started with: all are replaced.
	ledger=$(worker_pids ledger)
	file "workers = 3" "attempts = 7" "option.more = x"
	expect 0 ym reload
	assert_contains "its workers are replaced" "$OUT" "reload"
	wait_until 10 none_of ledger "$ledger"
	wait_until 10 has_workers ledger 3
	assert_equal "$before" "$(worker_pids echo)" "workers of the other pool"
}

test_hangup_is_a_reload() { # sanitized
	local before
	with_ledger 1
	before=$(worker_pids ledger)
	file "workers = 2" "option.more = x"
	kill -HUP "$MASTER"
	wait_until 10 has_workers ledger 2
	wait_until 10 none_of ledger "$before"
	assert_logged "reload: pool ledger: workers 1 -> 2"
	echo nonsense >>"$INI"
	kill -HUP "$MASTER"
	wait_until 10 logged "nothing is changed"
	INI=$DIR/good.ini
	has_workers ledger 2 || fail "after a mistake: $(cell ledger WORKERS) workers"
}

# ---- mistakes --------------------------------------------------------------------------------------------------------

# Each mistake stands beside another change, which must not be applied, either. The command finds the instance by a file
# without a mistake.
refused() { # WHAT IS SAID
	local before INI=$DIR/good.ini
	before=$(all_pids)
	expect 2 ym reload --dry-run
	assert_contains "$1" "$ERR" "reload --dry-run"
	expect 2 ym reload
	assert_contains "$1" "$ERR" "reload"
	assert_contains "nothing is changed" "$ERR" "reload"
	assert_equal "" "$OUT" "what has changed"
	assert_equal "$before" "$(all_pids)" "workers after: $1"
	has_workers ledger 2 || fail "the change beside it was applied: $1"
}

test_mistakes() { # sanitized
	with_ledger 2
	file "workers = 5" "worksers = 2"
	refused "test.ini:12: unknown option \`worksers\` in [pool:ledger]: did you mean \`workers\`?"
	file "workers = 5..2"
	refused "test.ini:11:"
	file "workers = 5" "limits = nowhere"
	refused "test.ini:12: unknown limit \`nowhere\`"
	file "workers = 5" "[pool:more]" "plugin = $DIR/none.so"
	refused "$DIR/none.so"
	file "workers = 5" "[pool:more]" "plugin = $PLUGINS/undefined.so"
	refused "undefined.so"
	file "workers = 5" "user = nobody-of-this-name"
	refused "nobody-of-this-name"
	rm "$INI"
	mkdir "$INI"
	kill -HUP "$MASTER"
	wait_until 10 logged "nothing is changed" 7
	rmdir "$INI"
	file "workers = 5"
	expect 0 ym reload
	wait_until 10 has_workers ledger 5
}

test_what_takes_a_new_start() { # sanitized
	with_ledger 2
	file "workers = 5"
	sed -i 's/^jobs = .*/jobs = 2048/' "$INI"
	refused "[yardmaster] jobs: from \"1024\" to \"2048\" takes a stop and a start of the instance"
	file "workers = 5" "inbox = yes"
	refused "[pool:ledger] inbox: from \"no\" to \"yes\" takes a stop and a start of the instance"
}

# One that cannot be entered leaves no pool behind that takes jobs; neither when it had been there before.
test_pool_without_its_inbox() { # sanitized
	local pool code
	with_ledger 2
	for pool in fresh ledger; do
		[[ $pool == fresh ]] && code=2 || code=1
		without_ledger
		expect 0 ym reload
		wait_until 10 is "" worker_pids ledger
		printf '[pool:%s]\nplugin = %s\noption.file = %s\nworkers = 2\ninbox = yes\ninbox_key = %s:k\n' \
			$pool "$PLUGINS/ledger.so" "$DIR/ledger" "$DIR/key-of-$pool" >>"$INI"
		expect 2 ym reload
		assert_contains "pool $pool cannot be added: " "$ERR" "reload"
		assert_contains "key-of-$pool" "$ERR" "reload"
		expect $code ym submit $pool x
		assert_lacks "$pool" "$(ym status | grep -v ledger/)" "status"
		: >"$DIR/key-of-$pool"
		expect 0 ym reload
		wait_until 10 has_workers $pool 2
		expect 0 ym submit $pool "1 0" --wait
	done
}

# ---- rolling ---------------------------------------------------------------------------------------------------------

# New workers before old ones end; jobs that run are finished by whom they were begun.
test_rolling() { # sanitized
	local i watcher before
	with_ledger 4 "option.open_ms = 40"
	wait_until 10 is 4 pool_field ledger RUNNING
	before=$(worker_pids ledger)
	for i in 1 2 3; do
		submit ledger "$i 1500"
	done
	wait_until 10 has_lines "$DIR/ledger" 3
	watch_capacity ledger "$DIR/over" >"$DIR/least" &
	watcher=$!
	file "workers = 4" "option.open_ms = 41"
	expect 0 ym reload
	wait_until 10 is 7 eval 'worker_pids ledger | wc -l'
	assert_equal 4 "$(pool_field ledger RUNNING)" "workers that take jobs"
	# The new ones work while the old ones finish.
	for i in 11 12 13 14; do
		submit ledger "$i 0"
	done
	wait_until 10 is 4 done_jobs
	assert_equal 4 "$(grep -c '^done 1[1-4]' "$DIR/ledger")" "jobs of new workers"
	wait_until 10 is 7 done_jobs
	wait_until 10 has_workers ledger 4
	: >"$DIR/over"
	wait "$watcher"
	assert_equal 4 "$(<"$DIR/least")" "fewest workers that took jobs"
	none_of ledger "$before" || fail "old workers are still there"
	assert_equal 7 "$(grep -c '^[0-9]* 1 ' "$DIR/ledger")" "first attempts"
	assert_equal 7 "$(grep -vc '^done' "$DIR/ledger")" "attempts"
	assert_equal "$(awk '/^[123] / {print $1, $3}' "$DIR/ledger" | sort)" \
		"$(awk '/^done [123] / {print $2, $4}' "$DIR/ledger" | sort)" "who has finished the jobs"
}

# A step after the other, and the second before the first is done.
test_rolling_twice() {
	local before
	with_ledger 3 "option.open_ms = 50"
	before=$(worker_pids ledger)
	submit ledger "1 600"
	wait_until 10 has_lines "$DIR/ledger" 1
	file "workers = 3" "option.open_ms = 51"
	expect 0 ym reload
	file "workers = 2" "option.open_ms = 52"
	expect 0 ym reload
	expect 0 ym restart ledger
	wait_until 10 has_workers ledger 2
	wait_until 10 is 1 done_jobs
	wait_until 10 none_of ledger "$before"
	has_workers ledger 2 || fail "in the end: $(cell ledger WORKERS) workers"
	assert_equal 1 "$(grep -vc '^done' "$DIR/ledger")" "attempts"
}

# New workers that do not start leave the old ones at work.
test_rolling_into_a_wall() { # sanitized
	local before
	with_ledger 3
	before=$(worker_pids ledger)
	file "workers = 3" "option.file = $DIR/none/ledger" "startretries = 1" "restart_delay = 10ms"
	# The second one of the same name is what counts.
	sed -i "/option.file = .*ledger$/{/none/!d}" "$INI"
	expect 0 ym reload
	wait_until 10 logged "is FATAL, it failed to start 2 times"
	assert_equal "$before" "$(comm -12 <(sort <<<"$before") <(worker_pids ledger | sort))" "workers of before"
	assert_contains "option.file cannot be opened" "$(ym status)" "status"
	submit ledger "1 0"
	wait_until 10 is 1 done_jobs
	assert_contains "3 to be replaced" "$(ym status)" "status"
	expect 1 ym restart ledger --wait --timeout 20s
	assert_contains "option.file cannot be opened" "$ERR" "restart"
	file "workers = 3"
	expect 0 ym reload
	wait_until 10 has_workers ledger 3
	assert_lacks "cannot be opened" "$(ym status)" "status after the mistake is mended"
	submit ledger "2 0"
	wait_until 10 is 2 done_jobs
}

# Workers hold limits from their start on: other ones take other workers.
test_other_limits() {
	with_ledger 4
	file "workers = 4" "limits = one" "[limit:one]" "max = 1"
	expect 0 ym reload
	wait_until 10 eval '! ym status | grep -q "to be replaced"'
	wait_until 10 has_workers ledger 4
	expect 0 ym submit ledger - --lines < <(seq -f '%.0f 30' 12)
	wait_until 10 is 12 done_jobs
	# Never a start before the end of the one before.
	awk '/^done/ {open--; next} {if (open++ > 0) exit 1}' "$DIR/ledger" || fail "more than one at a time"
	file "workers = 4" "limits = one" "[limit:one]" "max = 3"
	expect 0 ym reload
	expect 0 ym status --json
	assert_contains '"max": 3' "$OUT" "status"
}

# ---- pools come and go -----------------------------------------------------------------------------------------------

test_added_pool() { # sanitized
	local before
	without_ledger
	start_master
	wait_until 10 has_workers echo 2
	before=$(worker_pids echo)
	file "workers = 2"
	expect 0 ym reload
	assert_equal "pool ledger: added" "$OUT" "reload"
	submit ledger "1 0"
	wait_until 10 is 1 done_jobs
	wait_until 10 has_workers ledger 2
	assert_equal "$before" "$(worker_pids echo)" "workers of the other pool"
}

# Its running job is finished, its waiting ones are kept.
test_removed_pool() { # sanitized
	local first
	with_ledger 1
	submit ledger "1 400"
	first=$JOB
	wait_until 10 has_lines "$DIR/ledger" 1
	submit ledger "2 0"
	submit ledger "3 0" --delay 100ms
	without_ledger
	expect 0 ym reload
	assert_equal "pool ledger: removed" "$OUT" "reload"
	expect 1 ym submit ledger "4 0"
	wait_until 10 logged "pool ledger has gone"
	assert_equal 1 "$(grep -c '^done 1 1' "$DIR/ledger")" "ends of the job that ran"
	assert_equal "" "$(worker_pids ledger)" "workers of the removed pool"
	assert_equal "done" "$(job_state "$first")" "state of the job that ran"
	assert_equal 2 "$(ym jobs --pool ledger --json | grep -Ec '"(waiting|delayed)"')" "jobs that are kept"
	expect 2 ym restart ledger
	# Over a stop, too: nobody knows the pool, but its jobs are there when it comes back.
	stop_master
	start_master
	file "workers = 1"
	expect 0 ym reload
	wait_until 10 is 3 done_jobs
	assert_equal 3 "$(grep -c '^[0-9]' "$DIR/ledger")" "attempts of three jobs"
}

# It comes back while its last worker is busy.
test_pool_removed_and_added_again() { # sanitized
	with_ledger 2
	submit ledger "1 600"
	wait_until 10 has_lines "$DIR/ledger" 1
	submit ledger "2 0" --delay 300ms
	without_ledger
	expect 0 ym reload
	assert_equal 0 "$(grep -c '^done' "$DIR/ledger")" "ends of the job before the second reload"
	file "workers = 2"
	expect 0 ym reload
	assert_equal "pool ledger: added" "$OUT" "reload"
	wait_until 10 is 2 done_jobs
	wait_until 10 has_workers ledger 2
	submit ledger "3 0"
	wait_until 10 is 3 done_jobs
	assert_equal 3 "$(grep -c '^[0-9]' "$DIR/ledger")" "attempts of three jobs"
	# It is a pool as any other.
	expect 0 ym stop ledger --wait
	expect 0 ym start ledger --wait
	submit ledger "4 0"
	wait_until 10 is 4 done_jobs
	assert_equal 0 "$(grep -c "pool ledger has gone" "$LOG")" "pools that have gone"
}

# A running job of the old plugin is finished with the old plugin.
test_rebuilt_plugin() {
	local pid
	cp "$PLUGINS/sleep.so" "$DIR/task.so"
	write_ini <<-EOF
		[pool:task]
		plugin = $DIR/task.so
	EOF
	start_master
	submit task 700 --keep
	wait_until 10 is running job_state "$JOB"
	pid=$(worker_pids task)
	cp "$PLUGINS/echo.so" "$DIR/new.so"
	mv "$DIR/new.so" "$DIR/task.so"
	expect 0 ym restart task
	expect 0 ym submit task hello --wait
	assert_equal hello "$OUT" "result of the new plugin"
	kill -0 "$pid" || fail "the old worker has not finished its job"
	expect 0 ym wait "$JOB"
	assert_equal slept "$OUT" "result of the old plugin"
	wait_until 10 ended "$pid"
}
