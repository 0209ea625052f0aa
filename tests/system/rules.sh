# shellcheck shell=bash
# rules.sh - what becomes of a job by the rules of its pool: crashes, failures, attempts, time limits, moments, order.

# A pool whose tasks write down what happens to them; arguments are further lines for it.
rules_pool() { # LINES...
	write_ini <<-EOT
		[pool:rules]
		plugin = $PLUGINS/rules.so
		restart_delay = 10ms
		option.file = $DIR/ran
		option.lock = $DIR/lock
		$(printf '%s\n' "$@")
	EOT
	start_master
}

# What happened, without the moments: "WORD ATTEMPT" after "WORD ATTEMPT".
story() {
	awk '{print $1, $3}' "$DIR/ran" | paste -sd' '
}

pids() { # WORD
	awk -v word="$1" '$1 == word {print $4}' "$DIR/ran"
}

# ---- crashes and failures -----------------------------------------------------------------------------------------

assert_story_of_crashes() {
	local part
	expect 0 ym show "$JOB"
	for part in "job $JOB: buried" "2 of 5; 2 killed the worker" "progress    3/9 parts" \
		"was killed by signal 11 (Segmentation fault) at 3/9 parts close to the end" "attempt 1   crashed after" \
		"attempt 2   crashed after" "killed by signal 11 (Segmentation fault), CPU" "last note   close to the end" \
		"    words before" "    last words"; do
		assert_contains "$part" "$OUT" "story of the crashes"
	done
	assert_lacks "attempt 3" "$OUT" "story of the crashes"
	expect 0 ym show --json "$JOB"
	assert_equal 2 "$(grep -o '"signal": 11' <<<"$OUT" | wc -l)" "attempts that ended with the signal"
	assert_contains '"stderr": "words before\u000alast words' "$OUT" "show --json"
}

test_job_that_crashes_is_buried() { # sanitized
	rules_pool "attempts = 5" "crashes = 2"
	submit rules crash
	wait_until 5 is buried job_state "$JOB"
	assert_story_of_crashes
	assert_equal "start 1 start 2" "$(story)" "attempts"
	expect 0 ym submit rules mark --wait
	# All attempts and crashes anew.
	expect 0 ym kick "$JOB"
	wait_until 5 has_lines "$DIR/ran" 6
	wait_until 5 is buried job_state "$JOB"
	assert_equal "2 2" "$(job_field "$JOB" attempt) $(job_field "$JOB" crashes)" "attempts and crashes after a kick"
}

test_crash_of_the_last_attempt() {
	rules_pool "attempts = 2"
	submit rules crash
	wait_until 5 is failed job_state "$JOB"
	assert_contains "was killed by signal 11" "$(job_field "$JOB" error)" "error"
	assert_equal "start 1 start 2" "$(story)" "attempts"
}

test_bury_at_the_first_crash() { # sanitized
	rules_pool "on_crash = bury"
	submit rules crash
	wait_until 5 is buried job_state "$JOB"
	assert_equal "start 1" "$(story)" "attempts"
	expect 1 ym wait "$JOB" --wait-timeout 10s
	assert_contains "was killed by signal 11" "$ERR" "what wait says"
	expect 0 ym delete "$JOB"
	assert_equal "" "$(job_state "$JOB")" "state of a deleted job"
}

test_crash_moves_to_another_pool() { # sanitized
	write_ini <<-EOT
		[pool:rules]
		plugin = $PLUGINS/rules.so
		on_crash = pool:morgue
		option.file = $DIR/ran
		[pool:morgue]
		plugin = $PLUGINS/echo.so
	EOT
	start_master
	expect 0 ym submit rules crash --tag mine --wait
	assert_equal crash "$OUT" "result from the other pool"
	assert_equal "morgue mine 1" "$(job_field 1 pool) $(job_field 1 tag) $(job_field 1 crashes)" "pool, tag and crashes"
	assert_equal "start 1" "$(story)" "attempts in the first pool"
	expect 0 ym show 1
	assert_contains "attempt 1   crashed" "$OUT" "story"
	# A paused pool keeps what comes to it.
	expect 0 ym pause morgue
	submit rules crash
	wait_until 5 is morgue job_field "$JOB" pool
	wait_until 5 is waiting job_state "$JOB"
	expect 0 ym resume morgue
	expect 0 ym wait "$JOB" --wait-timeout 10s
}

# Its unique key goes with it, unless a job of the other pool has it: then it is buried.
test_unique_key_of_a_moved_job() { # sanitized
	write_ini <<-EOT
		[pool:rules]
		plugin = $PLUGINS/rules.so
		on_crash = pool:morgue
		option.file = $DIR/ran
		[pool:morgue]
		plugin = $PLUGINS/echo.so
	EOT
	start_master
	expect 0 ym pause morgue
	submit rules crash --unique one
	wait_until 5 is morgue job_field 1 pool
	wait_until 5 is waiting job_state 1
	expect 0 ym submit morgue x --unique one
	assert_equal 1 "$OUT" "the duplicate's id"
	submit rules crash --unique one
	wait_until 5 is buried job_state "$JOB"
	assert_equal rules "$(job_field "$JOB" pool)" "pool of the one that cannot move"
	expect 0 ym resume morgue
	expect 0 ym wait 1 --wait-timeout 10s
	expect 0 ym submit morgue y --unique one --wait
	assert_equal y "$OUT" "result of another one with the key"
}

test_killed_command_moves_to_another_pool() {
	write_ini <<-EOT
		[pool:fragile]
		command = sh -c 'kill -KILL \$\$'
		on_crash = pool:morgue
		[pool:morgue]
		command = sh -c 'cat; echo " in \$YARDMASTER_POOL, attempt \$YARDMASTER_ATTEMPT"'
	EOT
	start_master
	expect 0 ym submit fragile "again" --wait
	assert_equal "again in morgue, attempt 2" "$OUT" "result"
}

test_failed_jobs_are_buried() { # sanitized
	write_ini <<-EOT
		[pool:fails]
		command = sh -c 'test -e "\$1" || { echo "no \$1 yet" >&2; exit 3; }; echo found' sh {}
		on_fail = bury
		[pool:again]
		command = sh -c 'test -e "\$1" || exit 75; echo "attempt \$YARDMASTER_ATTEMPT"' sh {}
		attempts = 2
		backoff = 1ms
		on_fail = bury
	EOT
	start_master
	submit fails "$DIR/thing"
	submit again "$DIR/thing"
	wait_until 5 is 2 jobs_in_state buried
	assert_equal "1 2" "$(job_field 1 attempt) $(job_field 2 attempt)" "attempts"
	assert_contains "exited with code 3: no $DIR/thing yet" "$(job_field 1 error)" "error of the first"
	assert_contains "exited with code 75" "$(job_field 2 error)" "error of the second"
	assert_equal "1 1" "$(cell fails BURIED) $(cell again BURIED)" "buried jobs in status"
	# They stay over a restart.
	stop_master
	start_master
	assert_equal 2 "$(jobs_in_state buried)" "buried jobs after a restart"
	touch "$DIR/thing"
	ym_background wait 1 2 >"$DIR/results" 2>&1
	expect 0 ym kick --all
	assert_equal "2 jobs kicked" "$OUT" "kick"
	wait_until 5 is 2 jobs_in_state "done"
	wait "$CLIENT"
	assert_equal 1 "$(job_field 2 attempt)" "attempt after the kick"
}

# ---- attempts -----------------------------------------------------------------------------------------------------

# How long job 1 waits after its last attempt, by what is shown of it: more than LEAST s, no more than MOST s.
assert_waits() { # LEAST MOST
	local due started now
	wait_until 5 is delayed job_state 1
	due=$(job_field 1 due)
	started=$(job_field 1 started)
	now=${EPOCHREALTIME/,/.}
	awk -v due="$due" -v started="$started" -v now="$now" -v least="$1" -v most="$2" \
		'BEGIN {exit !(due - started >= least - 0.01 && due - now <= most + 0.01)}' ||
		fail "started $started, due $due, now $now: not $1 to $2 s"
}

test_backoff_grows_to_its_maximum() { # sanitized
	local attempt waits=(0 3600 10800 18000)
	write_ini <<-EOT
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		attempts = 4
		backoff = 1h
		backoff_factor = 3
		backoff_max = 5h
		backoff_jitter = 0
	EOT
	start_master
	submit flaky 100
	for attempt in 1 2 3; do
		wait_until 5 is "$attempt" job_field 1 attempt
		assert_waits "${waits[attempt]}" "${waits[attempt]}"
		# One that is delayed keeps its attempts.
		expect 0 ym kick 1
	done
	wait_until 5 is failed job_state 1
	assert_equal 4 "$(job_field 1 attempt)" "attempts"
	expect 0 ym show 1
	assert_equal 3 "$(grep -c '^  attempt [1-3]   asked for another attempt' <<<"$OUT")" "attempts that asked for another"
}

test_jitter_of_the_backoff() {
	local id moments=()
	write_ini <<-EOT
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		backoff = 1h
		backoff_jitter = 50
	EOT
	start_master
	for id in 1 2 3 4 5 6; do
		submit flaky 100
	done
	wait_until 5 is 6 jobs_in_state delayed
	assert_waits 1800 5400
	for id in 1 2 3 4 5 6; do
		moments+=("$(job_field "$id" due)")
	done
	# Six that are less than 10 s apart, of an hour, would be a wonder.
	printf '%s\n' "${moments[@]}" | sort -n | awk 'NR == 1 {first = $1} {last = $1} END {exit !(last - first > 10)}' ||
		fail "hardly any jitter: ${moments[*]}"
}

# ---- time limits --------------------------------------------------------------------------------------------------

test_timeout_asks_at_first() { # sanitized
	rules_pool "attempts = 2" "backoff = 0" "timeout_grace = 1m"
	expect 1 ym submit rules asked --timeout 50ms --wait
	assert_contains "timed out after 50 ms" "$ERR" "error"
	assert_equal "start 1 end 1 start 2 end 2" "$(story)" "what happened"
	assert_equal 1 "$(pids start | sort -u | wc -l)" "workers"
	assert_equal 0 "$(job_field 1 crashes)" "crashes"
}

test_timeout_terminates_then() { # sanitized
	rules_pool "attempts = 1" "timeout_grace = 1s"
	expect 1 ym submit rules term --timeout 50ms --wait
	assert_contains "failed: timed out after 50 ms" "$ERR" "error"
	assert_equal "start 1 asked 1 term 1 end 1" "$(story)" "what happened"
	assert_equal 0 "$(job_field 1 crashes)" "crashes"
	# A worker that got the signal ends after its job; another one takes its place.
	expect 0 ym submit rules mark --wait
	assert_equal 2 "$(pids start | sort -u | wc -l)" "workers"
}

# Two workers: an idle one would take the job at once if it were ready before the first is dead.
test_timeout_kills_at_last() { # sanitized
	local pid
	rules_pool "workers = 2" "attempts = 2" "backoff = 0" "timeout_grace = 700ms"
	expect 1 ym submit rules kill --timeout 50ms --wait
	assert_contains "timed out after 50 ms and did not stop when asked: its worker was killed" "$ERR" "error"
	assert_equal "start 1 asked 1 term 1 start 2 asked 2 term 2" "$(story)" "what happened"
	assert_equal 2 "$(pids start | sort -u | wc -l)" "workers"
	for pid in $(pids start); do
		ended "$pid" || fail "worker $pid lives"
	done
	assert_equal "2 0" "$(job_field 1 attempt) $(job_field 1 crashes)" "attempts and crashes"
	expect 0 ym show 1
	assert_equal 2 "$(grep -c '^  attempt [12]   timed out' <<<"$OUT")" "attempts that timed out"
	assert_contains "killed by signal 9 (Killed)" "$OUT" "how the worker ended"
}

test_progress_extends_the_time() { # sanitized
	local pool
	{
		for pool in start progress; do
			cat <<-EOT
				[pool:$pool]
				plugin = $PLUGINS/rules.so
				workers = 3
				attempts = 1
				timeout = 2s
				timeout_from = $pool
				option.file = $DIR/ran
			EOT
		done
	} | write_ini
	start_master
	submit progress "report 3000"
	submit progress "touch 3000"
	submit progress "quiet 60000"
	submit start "report 60000"
	submit start "touch 60000"
	wait_until 20 is 5 eval 'ym jobs --json | grep -c "\"state\": \"\(done\|failed\)\""'
	assert_equal "done done failed failed failed" \
		"$(job_state 1) $(job_state 2) $(job_state 3) $(job_state 4) $(job_state 5)" "report, touch, quiet; report, touch"
	assert_contains "timed out after 2000 ms" "$(job_field 3 error)" "error of the quiet one"
	assert_contains "timed out after 2000 ms" "$(job_field 4 error)" "error where progress does not count"
}

# ---- moments ------------------------------------------------------------------------------------------------------

one_order() {
	write_ini <<-EOT
		[pool:order]
		plugin = $PLUGINS/order.so
		option.file = $DIR/ran
	EOT
	start_master
}

order() {
	awk '{print $2}' "$DIR/ran" 2>/dev/null | paste -sd' '
}

# Everybody; "backlog": the guardian is left and keeps the jobs in a file.
kill_all() { # [backlog]
	local pids
	pids=$(worker_pids order)
	[[ ${1-} == backlog ]] || pids+=" $(guardian_pid)"
	[[ -z $MASTER ]] || pids+=" $MASTER"
	# shellcheck disable=SC2086 # words on purpose
	slay $pids
	[[ ${1-} != backlog ]] || wait_until 5 is 0 ipc_objects
}

past() { # SECONDS OF UNIX TIME
	((${EPOCHREALTIME%[.,]*} > $1))
}

# Nobody promotes jobs without a master, so none of them can be early, however slow this test is.
moments_after() { # [backlog]
	local moment far
	one_order
	slay "$MASTER"
	moment=$((${EPOCHREALTIME%[.,]*} + 1))
	submit order delay --delay 700ms
	submit order at --at "@$moment"
	submit order far --delay 1h
	far=$(job_field "$JOB" due)
	kill_all "$@"
	wait_until 5 past $((moment + 1))
	start_master
	wait_until 2 has_lines "$DIR/ran" 2
	assert_equal "at delay" "$(order | tr ' ' '\n' | sort | paste -sd' ')" "what was due"
	wait_until 2 is 1 jobs_in_state delayed
	awk -v was="$far" -v is="$(ym jobs --state delayed --json | grep -o '"due": [0-9.]*' | cut -d' ' -f2)" \
		'BEGIN {exit !(is - was < 0.1 && was - is < 0.1)}' || fail "the moment of a delayed job moved from $far"
	assert_equal 1 "$(cell order DELAYED)" "delayed jobs in status"
}

test_moments_outlive_everybody() { # sanitized
	moments_after
}

test_moments_outlive_everybody_in_a_file() { # sanitized
	moments_after backlog
}

test_moment_passes_without_a_master() {
	local moment
	one_order
	slay "$MASTER"
	moment=$((${EPOCHREALTIME%[.,]*} + 1))
	submit order x --at "@$moment"
	wait_until 5 past "$moment"
	assert_equal delayed "$(job_state "$JOB")" "state without a master"
	start_master
	expect 0 ym wait "$JOB" --wait-timeout 10s
}

# ---- order --------------------------------------------------------------------------------------------------------

some_of_each_level() {
	local level
	expect 0 ym pause order
	for level in idle 5 low 0 high; do
		submit order "$level-1" --priority "$level"
	done
	for level in high 5 0 idle low; do
		submit order "$level-2" --priority "$level"
	done
}

assert_in_order() {
	wait_until 5 has_lines "$DIR/ran" 10
	assert_equal "0-1 0-2 high-1 high-2 5-1 5-2 low-1 low-2 idle-1 idle-2" "$(order)" "order"
}

test_order_after_a_restart() { # sanitized
	one_order
	some_of_each_level
	stop_master
	start_master
	assert_in_order
}

test_order_after_a_death() { # sanitized
	one_order
	some_of_each_level
	kill_all
	start_master
	assert_contains " paused" "$(ym status)" "status after the take-over"
	expect 0 ym resume order
	assert_in_order
}

test_order_from_a_file() {
	one_order
	some_of_each_level
	kill_all backlog
	start_master
	assert_in_order
}

# ---- modes --------------------------------------------------------------------------------------------------------

test_paused_pool_goes_on_otherwise() { # sanitized
	local first
	rules_pool "attempts = 2" "backoff = 1ms"
	submit rules "until $DIR/go"
	first=$JOB
	wait_until 5 is running job_state "$first"
	expect 0 ym pause rules
	# Due, but not started; what waits can be cancelled and buried.
	submit rules mark --delay 1ms
	wait_until 5 is waiting job_state "$JOB"
	submit rules mark
	expect 0 ym cancel "$JOB"
	submit rules mark
	expect 0 ym bury "$JOB"
	touch "$DIR/go"
	expect 0 ym wait "$first" --wait-timeout 10s
	assert_equal "start 1 end 1" "$(story)" "what ran"
	expect 0 ym kick "$JOB"
	assert_equal waiting "$(job_state "$JOB")" "state after a kick"
	expect 0 ym resume rules
	wait_until 5 is 3 jobs_in_state "done"
	assert_equal 1 "$(jobs_in_state cancelled)" "cancelled jobs"
}

test_crash_in_a_paused_pool() {
	rules_pool "crashes = 2"
	submit rules "until $DIR/go"
	wait_until 5 has_lines "$DIR/ran" 1
	expect 0 ym pause rules
	slay "$(pids start)"
	wait_until 5 is waiting job_state "$JOB"
	wait_until 5 is 1 eval 'worker_pids rules | wc -l'
	assert_equal "start 1" "$(story)" "attempts while it is paused"
	touch "$DIR/go"
	expect 0 ym resume rules
	expect 0 ym wait "$JOB" --wait-timeout 10s
}

# What is on its way in a pool that is drained is still tried again; it stays closed over the death of the master.
test_drain_outlives_the_master() { # sanitized
	rules_pool "workers = 2" "attempts = 2" "backoff = 1ms"
	wait_until 5 is 2 eval 'worker_pids rules | wc -l'
	submit rules "until $DIR/go"
	wait_until 5 has_lines "$DIR/ran" 1
	expect 0 ym drain rules --no-wait
	slay "$MASTER"
	slay "$(pids start)"
	expect 1 ym submit rules mark
	start_master
	expect 1 ym submit rules mark
	assert_contains "being drained" "$ERR" "submit after the take-over"
	wait_until 5 has_lines "$DIR/ran" 2
	touch "$DIR/go"
	expect 0 ym drain rules --wait-timeout 10s
	assert_equal "start 1 start 2 end 2" "$(story)" "what ran"
}
