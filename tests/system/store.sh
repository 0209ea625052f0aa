# shellcheck shell=bash
# store.sh - jobs in a store of SQLite: the same as without one, and more of them than the table has slots.

STORE=$DIR/jobs.db

# The pools come from stdin; arguments are lines for [yardmaster].
stored_ini() {
	write_ini "store = sqlite:$STORE" "jobs = 64" "$@"
}

# What the database says, as its documentation has it.
sql() { # STATEMENT
	sqlite3 -readonly "$STORE" "$1"
}

stored_state() { # ID
	sql "SELECT state FROM jobs WHERE id = $1"
}

order_pool() { # LINES FOR THE POOL...
	stored_ini <<-EOF
		[pool:order]
		plugin = $PLUGINS/order.so
		option.file = $DIR/order
		$(printf '%s\n' "$@")
	EOF
	: >"$DIR/order"
}

# So many jobs of a paused pool, with their numbers as payload.
fill() { # POOL FIRST LAST OPTIONS...
	seq "$2" "$3" | ym submit "$1" --lines --quiet "${@:4}" >/dev/null || fail "submit of $2 to $3: exit code $?"
}

# ---- what goes in comes out ----------------------------------------------------------------------------------------

test_results_of_all_sizes() { # sanitized
	local size id ids=()
	stored_ini "payload_max = 32mb" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 2
	EOF
	start_master
	for size in 0 1 191 192 193 448 449 65535 65536 65537 1000000 16000000; do
		head -c "$size" /dev/urandom >"$DIR/in.$size"
		expect 0 ym submit echo --file "$DIR/in.$size" --wait
		assert_same_file "$DIR/in.$size" "$DIR/out" "result of $size bytes"
		submit echo --file "$DIR/in.$size" --keep
		ids+=("$JOB")
	done
	# Their slots are used again: from now on only the store knows them.
	fill echo 1 200
	wait_until 20 is "done|224" sql "SELECT state, count(*) FROM jobs GROUP BY state"
	for size in 0 1 191 192 193 448 449 65535 65536 65537 1000000 16000000; do
		id=${ids[0]}
		ids=("${ids[@]:1}")
		expect 0 ym wait "$id" --wait-timeout 10s
		assert_same_file "$DIR/in.$size" "$DIR/out" "result of $size bytes in the store"
	done
}

test_payloads_that_wait_in_the_store() {
	local i ids=()
	stored_ini "payload_max = 32mb" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	expect 0 ym pause echo
	fill echo 1 100
	for i in 300 70000 3000000; do
		head -c "$i" /dev/urandom >"$DIR/in.$i"
		submit echo --file "$DIR/in.$i" --keep
		ids+=("$JOB")
		assert_equal "waiting|0" "$(sql "SELECT state, held FROM jobs WHERE id = $JOB")" "a job behind a full window"
	done
	expect 0 ym resume echo
	for i in 300 70000 3000000; do
		expect 0 ym wait "${ids[0]}" --wait-timeout 10s
		ids=("${ids[@]:1}")
		assert_same_file "$DIR/in.$i" "$DIR/out" "result of $i bytes"
	done
}

test_lines_through_a_small_table() {
	order_pool "workers = 2"
	start_master
	expect 0 bash -c "seq 3000 | '$YARDMASTER' submit -c '$INI' order --lines --wait --quiet"
	assert_equal 3000 "$(sort -u -k2,2n "$DIR/order" | wc -l)" "different jobs that ran"
	assert_equal 3000 "$(wc -l <"$DIR/order")" "runs"
	wait_until 5 is "done|3000" sql "SELECT state, count(*) FROM jobs GROUP BY state"
}

# ---- order -------------------------------------------------------------------------------------------------------

test_order_of_more_jobs_than_slots() { # sanitized
	order_pool
	start_master
	expect 0 ym pause order
	fill order 1 5000
	wait_until 5 is 5000 cell order WAITING
	expect 0 ym resume order
	wait_until 10 has_lines "$DIR/order" 5000
	assert_equal "" "$(awk '{print $2}' "$DIR/order" | diff - <(seq 5000) | head -5)" "jobs out of order"
	wait_until 5 is 0 cell order WAITING
}

test_priorities_of_more_jobs_than_slots() {
	order_pool "ageing = 1d"
	start_master
	expect 0 ym pause order
	fill order 5001 5500 --priority 5
	fill order 9001 9200 --priority 9
	fill order 2001 2200 --priority 2
	fill order 1 200 --priority 0
	fill order 2201 2300 --priority 2
	expect 0 ym resume order
	wait_until 20 has_lines "$DIR/order" 1200
	assert_equal "" "$(awk '{print $2}' "$DIR/order" | diff - <(seq 200; seq 2001 2300; seq 5001 5500; seq 9001 9200) |
		head -5)" "jobs out of order"
}

# A job of lower priority that has waited long enough goes before newer ones.
test_ageing_in_the_store() {
	order_pool "ageing = 200ms"
	start_master
	expect 0 ym pause order
	fill order 1 300 --priority 5
	sleep 1.1
	fill order 1001 1300 --priority 0
	expect 0 ym resume order
	wait_until 20 has_lines "$DIR/order" 600
	assert_equal "" "$(awk '{print $2}' "$DIR/order" | diff - <(seq 300; seq 1001 1300) | head -5)" "jobs out of order"
}

# The window is full of others that are less urgent.
test_an_urgent_job_goes_first() {
	order_pool "ageing = 1d"
	start_master
	expect 0 ym pause order
	fill order 1 300
	submit order urgent --priority 0
	expect 0 ym resume order
	wait_until 10 has_lines "$DIR/order" 301
	assert_equal urgent "$(awk 'NR == 1 {print $2}' "$DIR/order")" "first job"
}

# One that becomes due, or is kicked, comes from the store.
test_an_urgent_job_in_the_store_goes_first() {
	order_pool "ageing = 1d"
	start_master
	expect 0 ym pause order
	fill order 1 300
	submit order due --priority 0 --delay 6s
	submit order kicked --priority 1 --delay 1h
	expect 0 ym kick "$JOB"
	wait_until 10 is 0 cell order DELAYED
	wait_until 5 is 2 sql "SELECT count(*) FROM jobs WHERE held AND priority < 2"
	expect 0 ym resume order
	wait_until 10 has_lines "$DIR/order" 302
	assert_equal "due kicked" "$(awk 'NR <= 2 {print $2}' "$DIR/order" | paste -sd' ')" "first jobs"
}

# Several pools, each with its window.
test_pools_do_not_starve_each_other() {
	stored_ini <<-EOF
		[pool:stuck]
		plugin = $PLUGINS/echo.so
		[pool:stuck2]
		plugin = $PLUGINS/echo.so
		[pool:order]
		plugin = $PLUGINS/order.so
		option.file = $DIR/order
	EOF
	start_master
	expect 0 ym pause stuck stuck2
	fill stuck 1 500
	fill stuck2 1 500
	expect 0 ym submit order x --wait --wait-timeout 5s
	fill order 1 500
	wait_until 10 has_lines "$DIR/order" 501
	assert_equal 500 "$(cell stuck WAITING)" "jobs of the paused pool"
	expect 0 ym resume stuck
	wait_until 10 is 0 cell stuck WAITING
}

# A pool that is no longer in the configuration keeps its jobs, but not its window.
test_a_removed_pool_makes_room() {
	order_pool
	start_master
	expect 0 ym pause order
	fill order 1 300
	stored_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	expect 0 ym reload
	expect 0 ym submit echo x --wait --wait-timeout 5s
	fill echo 1 200
	wait_until 10 is 0 cell echo WAITING
	assert_equal 300 "$(sql "SELECT count(*) FROM jobs WHERE pool = 'order' AND state = 'waiting'")" "jobs of the old pool"
	order_pool
	expect 0 ym reload
	expect 0 ym resume order
	wait_until 10 has_lines "$DIR/order" 300
}

# ---- delays ------------------------------------------------------------------------------------------------------

test_delays() {
	local start far
	order_pool
	start_master
	start=$(now_ms)
	submit order far --delay 1h
	far=$JOB
	submit order later --delay 1500ms
	submit order soon --delay 300ms
	submit order now
	wait_until 5 has_lines "$DIR/order" 1
	assert_equal "delayed|0" "$(sql "SELECT state, held FROM jobs WHERE id = $far")" "a job due in an hour"
	assert_equal 3 "$(cell order DELAYED)" "delayed jobs"
	wait_until 5 has_lines "$DIR/order" 3
	assert_less $(($(now_ms) - start + 1)) 1490 "time until the later one ran"
	assert_equal "now soon later" "$(awk '{printf "%s%s", s, $2; s = " "}' "$DIR/order")" "order"
	# Out of turn, though it is only in the store.
	expect 0 ym kick "$far"
	wait_until 5 has_lines "$DIR/order" 4
	wait_until 5 is 0 cell order DELAYED
}

# Longer than a delayed job stays in the table.
test_delay_behind_the_horizon() {
	local start
	order_pool
	start_master
	expect 0 ym pause order
	fill order 1 100
	start=$(now_ms)
	submit order x --delay 6500ms --keep
	assert_equal "delayed|0" "$(sql "SELECT state, held FROM jobs WHERE id = $JOB")" "delayed job"
	expect 0 ym resume order
	expect 0 ym wait "$JOB" --wait-timeout 15s
	assert_less $(($(now_ms) - start + 1)) 6490 "time until it ran"
	assert_less 8000 $(($(now_ms) - start)) "time until it ran"
}

# ---- attempts ----------------------------------------------------------------------------------------------------

test_attempts_and_their_causes() { # sanitized
	stored_ini <<-EOF
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		attempts = 3
		backoff = 20ms
		[pool:strict]
		plugin = $PLUGINS/flaky.so
		attempts = 2
		backoff = 20ms
		on_fail = bury
	EOF
	start_master
	submit flaky 2 --keep
	expect 0 ym wait "$JOB" --wait-timeout 10s
	assert_equal 3 "$OUT" "result of the third attempt"
	wait_until 5 is "done|3" sql "SELECT state, attempt FROM jobs WHERE id = $JOB"
	assert_equal "1 attempt 1 of 3 was not enough,2 attempt 2 of 3 was not enough," "$(sql "SELECT attempt || ' ' || error
		FROM attempts WHERE job = $JOB AND error IS NOT NULL" | tr '\n' ,)" "attempts in the store"
	submit strict 5
	wait_until 5 is "buried|2" sql "SELECT state, attempt FROM jobs WHERE id = $JOB"
	wait_until 5 is 1 cell strict BURIED
	expect 0 ym kick "$JOB"
	wait_until 5 is "buried|2" sql "SELECT state, attempt FROM jobs WHERE id = $JOB"
	expect 0 ym delete "$JOB"
	assert_equal "" "$(stored_state "$JOB")" "a job that was deleted"
	wait_until 5 is 0 cell strict BURIED
}

# The pause between two attempts is longer than a job stays in the table.
test_long_backoff() {
	stored_ini <<-EOF
		[pool:flaky]
		plugin = $PLUGINS/flaky.so
		attempts = 3
		backoff = 60s
		backoff_jitter = 0%
	EOF
	start_master
	submit flaky 1 --keep
	wait_until 5 is "delayed|0|1" sql "SELECT state, held, attempt FROM jobs WHERE id = $JOB"
	stop_master
	start_master
	expect 0 ym kick "$JOB"
	expect 0 ym wait "$JOB" --wait-timeout 5s
	assert_equal 2 "$OUT" "attempt that succeeded"
}

# ---- what can be done to jobs ----------------------------------------------------------------------------------------

# The same to one in the table, and to one that is only in the store.
test_cancel_bury_kick_delete() { # sanitized
	local first last where
	order_pool
	start_master
	expect 0 ym pause order
	fill order 1 300
	first=1 last=300
	assert_equal "1 0" "$(sql "SELECT held FROM jobs WHERE id IN ($first, $last)" | tr '\n' ' ' | sed 's/ $//')" "held"
	for where in "$first" "$last"; do
		expect 0 ym cancel $((where))
		wait_until 5 is cancelled stored_state $((where))
		expect 0 ym bury $((where == 1 ? 2 : 299))
		wait_until 5 is buried stored_state $((where == 1 ? 2 : 299))
		expect 0 ym delete $((where == 1 ? 3 : 298))
		wait_until 5 is "" stored_state $((where == 1 ? 3 : 298))
	done
	wait_until 5 is 2 cell order BURIED
	wait_until 5 is 294 cell order WAITING
	expect 0 ym kick 2 299
	expect 0 ym kick 300
	expect 1 ym delete 3
	expect 1 ym cancel 298
	wait_until 5 is 297 cell order WAITING
	expect 0 ym resume order
	wait_until 10 has_lines "$DIR/order" 297
	assert_equal "" "$(awk '{print $2}' "$DIR/order" | sort -n | diff - <(seq 300 | grep -vxE '1|3|298') | head -5)" \
		"jobs that ran"
	# Over: nothing can be cancelled any more.
	expect 1 ym cancel 200
}

test_unique_keys() { # sanitized
	local waiting running
	stored_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	submit sleep 400 --unique a
	running=$JOB
	wait_until 5 is running job_state "$JOB"
	submit sleep 1 --unique a
	assert_equal "$running" "$JOB" "the job that runs"
	expect 0 ym pause sleep
	seq 200 | sed s/.*/1/ | ym submit sleep --lines --quiet >/dev/null
	submit sleep 1 --unique b
	waiting=$JOB
	assert_equal 0 "$(sql "SELECT held FROM jobs WHERE id = $JOB")" "held"
	submit sleep 1 --unique b
	assert_equal "$waiting" "$JOB" "the job that waits in the store"
	assert_contains "$waiting" "$ERR" "what is said of it"
	expect 0 ym resume sleep
	expect 0 ym wait "$waiting" --wait-timeout 10s
	submit sleep 1 --unique b
	((JOB > waiting)) || fail "the key of a job that is over: got job $JOB again"
}

# Whoever was told of the end may use the key again at once.
test_unique_key_is_free_at_the_end() {
	local i
	stored_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 2
	EOF
	start_master
	for ((i = 0; i < 100; i++)); do
		expect 0 ym submit echo "$i" --unique k --wait
		assert_equal "$i" "$OUT" "result of the job with the key"
	done
}

test_tags_and_timeouts() {
	stored_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		timeout_grace = 50ms
	EOF
	start_master
	expect 0 ym pause sleep
	seq 100 | sed s/.*/1/ | ym submit sleep --lines --quiet >/dev/null
	submit sleep 60000 --timeout 100ms --tag "müde" --keep
	assert_equal "müde|0.1" "$(sql "SELECT tag, timeout FROM jobs WHERE id = $JOB")" "what the store has"
	expect 0 ym resume sleep
	expect 1 ym wait "$JOB" --wait-timeout 10s
	wait_until 5 is failed stored_state "$JOB"
	assert_equal müde "$(sql "SELECT tag FROM jobs WHERE id = $JOB")" "its tag in the history"
}

# ---- waiting -----------------------------------------------------------------------------------------------------

# In the store only, in the table, gone from it again: a wait follows.
test_wait_follows_a_job() {
	local i pids=() ids=()
	stored_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	expect 0 ym pause echo
	fill echo 1 500
	for i in 1 20 100 499; do
		ym_background wait "$i" --wait-timeout 20s >"$DIR/wait.$i"
		pids+=("$CLIENT") ids+=("$i")
	done
	ym_background submit echo last --wait --wait-timeout 20s >"$DIR/wait.last"
	pids+=("$CLIENT") ids+=(last)
	wait_until 5 is 501 cell echo WAITING
	expect 0 ym resume echo
	for i in "${!pids[@]}"; do
		wait "${pids[i]}" || fail "wait for job ${ids[i]}: exit code $?"
		assert_equal "${ids[i]}" "$(<"$DIR/wait.${ids[i]}")" "result of job ${ids[i]}"
	done
	expect 0 ym wait 7
	assert_equal 7 "$OUT" "result from the history"
	expect 1 ym wait 123456
}

test_history_of_nothing() {
	stored_ini "history = 0" <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	expect 0 ym submit echo hello --wait
	assert_equal hello "$OUT" "result"
	submit echo kept --keep
	expect 0 ym wait "$JOB" --wait-timeout 5s
	assert_equal kept "$OUT" "result that was to be kept"
	fill echo 1 300
	wait_until 10 is 0 sql "SELECT count(*) FROM jobs"
	wait_until 5 is 0 cell echo WAITING
}

# ---- the rest of what a pool can be -----------------------------------------------------------------------------------

test_limits_rates_and_scaling() {
	stored_ini <<-EOF
		[limit:one]
		max = 1
		[pool:exclusive]
		plugin = $PLUGINS/exclusive.so
		option.file = $DIR/exclusive
		workers = 3
		limits = one
		[pool:order]
		plugin = $PLUGINS/order.so
		option.file = $DIR/order
		rate = 100/s
		workers = 1..4
	EOF
	local start
	start_master
	seq 150 | sed 's/.*/2/' | ym submit exclusive --lines --quiet >/dev/null
	start=$(now_ms)
	fill order 1 150
	wait_until 10 has_lines "$DIR/order" 150
	assert_less $(($(now_ms) - start + 1)) 1000 "time for 150 jobs at 100 a second"
	wait_until 20 is "done|150" sql "SELECT state, count(*) FROM jobs WHERE pool = 'exclusive' GROUP BY state"
	expect 0 ym scale exclusive 5
	wait_until 5 is 5 eval 'worker_pids exclusive | wc -l'
}

test_drain() {
	order_pool
	start_master
	expect 0 ym pause order
	fill order 1 300
	expect 0 ym drain order --no-wait
	expect 1 ym submit order no
	expect 0 ym resume order
	# Empty only when the store is, too.
	expect 0 ym drain order --wait-timeout 10s
	assert_equal 300 "$(wc -l <"$DIR/order")" "jobs that ran until the pool was empty"
	expect 0 ym resume order
	expect 0 ym submit order yes --wait
}

test_command_pool() {
	stored_ini <<-EOF
		[pool:cat]
		command = cat
		output_max = 1mb
	EOF
	start_master
	expect 0 ym pause cat
	fill cat 1 150
	head -c 100000 /dev/urandom | base64 -w0 >"$DIR/long"
	submit cat --file "$DIR/long" --keep
	expect 0 ym resume cat
	expect 0 ym wait "$JOB" --wait-timeout 20s
	assert_same_file "$DIR/long" "$DIR/out" "output of the command"
}

# ---- messages --------------------------------------------------------------------------------------------------------

job_of_tag() { # TAG
	sql "SELECT id FROM jobs WHERE tag = '$1'"
}

has_job() { # TAG
	[[ -n $(job_of_tag "$1") ]]
}

# Who waits for an answer gets it, wherever the job was.
test_answers_to_messages() { # sanitized
	local tag
	stored_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
		inbox = yes
	EOF
	start_master
	expect 0 "$YARDMASTER" msg get 0x59000031
	expect 0 ym pause echo
	fill echo 1 200
	for tag in first second third; do
		expect 0 "$YARDMASTER" msg send "$DIR/run/inbox.echo:y" 5 \
			"{\"payload\": \"x$tag\", \"tag\": \"$tag\", \"unique\": \"$tag\", \"reply\": \"0x59000031\"}"
		wait_until 5 has_job "$tag"
		assert_equal 0 "$(sql "SELECT held FROM jobs WHERE tag = '$tag'")" "held"
	done
	expect 0 "$YARDMASTER" msg send "$DIR/run/inbox.echo:y" 5 \
		'{"payload": "y", "tag": "again", "unique": "first", "reply": "0x59000031"}'
	expect 0 "$YARDMASTER" msg recv 0x59000031 0 --wait 10s
	assert_contains "\"id\": $(job_of_tag first), \"tag\": \"again\", \"state\": \"duplicate\"" "$OUT" "answer to the second"
	expect 0 ym cancel "$(job_of_tag second)"
	expect 0 "$YARDMASTER" msg recv 0x59000031 0 --wait 10s
	assert_contains '"tag": "second", "state": "cancelled"' "$OUT" "answer for the one that was cancelled"
	expect 0 ym delete "$(job_of_tag third)"
	expect 0 "$YARDMASTER" msg recv 0x59000031 0 --wait 10s
	assert_contains '"tag": "third", "state": "cancelled"' "$OUT" "answer for the one that was deleted"
	expect 0 ym resume echo
	expect 0 "$YARDMASTER" msg recv 0x59000031 0 --wait 10s
	assert_contains '"tag": "first", "state": "done", "result": "xfirst"' "$OUT" "answer for the one that ran"
	expect 0 "$YARDMASTER" msg rm 0x59000031
}
