# shellcheck shell=bash
# queue.sh - order, and what happens when there is no room.

test_full_table() { # sanitized
	local i
	write_ini "jobs = 64" <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_master
	for ((i = 1; i <= 64; i++)); do
		submit sleep 60000
	done
	expect 1 ym submit sleep 1 --patience 0
	assert_contains "the job table is full (64 jobs)" "$ERR" "submit into a full table"
	expect 1 ym submit sleep 1 --patience 50ms
	ym_background submit sleep 1 --patience 10s >"$DIR/late"
	wait_until 5 client_is_in
	expect 0 ym cancel 2
	wait "$CLIENT"
	assert_equal 0 $? "exit code of the one who waited"
	assert_equal 65 "$(<"$DIR/late")" "id of the job that waited"
	stop_master --now
}

# More tokens than fit into a queue: those who wait are fed later, in order.
test_many_wait_in_order() {
	local i worker
	write_ini "jobs = 8192" <<-EOF
		[pool:order]
		plugin = $PLUGINS/order.so
		option.file = $DIR/order
	EOF
	start_master
	wait_until 5 is 1 eval 'worker_pids order | wc -l'
	worker=$(worker_pids order)
	kill -STOP "$worker"
	for ((i = 1; i <= 3000; i++)); do
		"$YARDMASTER" submit -c "$INI" order "$i" >/dev/null || fail "submit $i: exit code $?"
	done
	assert_equal 3000 "$(jobs_in_state waiting)" "waiting jobs"
	assert_less 3000 "$(ym ipc ls | awk '$2 == "queue.order" {print $5}')" "tokens that fit into the queue"
	kill -CONT "$worker"
	wait_until 10 has_lines "$DIR/order" 3000
	assert_equal "" "$(awk '{print $2}' "$DIR/order" | diff - <(seq 3000) | head -5)" "jobs out of order"
	assert_equal "$worker" "$(worker_pids order)" "the worker"
}

# In slots that have been used before: the order is not that of the slots.
test_order_in_a_used_table() {
	local i worker
	write_ini "jobs = 128" <<-EOF
		[pool:order]
		plugin = $PLUGINS/order.so
		option.file = $DIR/order
	EOF
	start_master
	for ((i = 1; i <= 90; i++)); do
		submit order "$i"
	done
	wait_until 5 has_lines "$DIR/order" 90
	worker=$(worker_pids order)
	kill -STOP "$worker"
	for ((i = 91; i <= 210; i++)); do
		submit order "$i"
	done
	assert_equal 120 "$(jobs_in_state waiting)" "waiting jobs"
	kill -CONT "$worker"
	wait_until 10 has_lines "$DIR/order" 210
	assert_equal "" "$(awk '{print $2}' "$DIR/order" | diff - <(seq 210) | head -5)" "jobs out of order"
}

# The same over a stop: what waited is in the same order afterwards.
test_order_over_a_stop() { # sanitized
	local i
	write_ini <<-EOF
		[pool:order]
		plugin = $PLUGINS/order.so
		option.file = $DIR/order
	EOF
	start_master
	wait_until 5 is 1 eval 'worker_pids order | wc -l'
	slay "$MASTER"
	kill -STOP "$(worker_pids order)"
	for ((i = 1; i <= 50; i++)); do
		submit order "$i"
	done
	slay "$(worker_pids order)"
	wait_until 5 is 0 ipc_objects
	start_master
	wait_until 10 has_lines "$DIR/order" 50
	assert_equal "" "$(awk '{print $2}' "$DIR/order" | diff - <(seq 50) | head -5)" "jobs out of order"
}

test_two_workers_share_the_work() {
	local i
	write_ini <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		workers = 2
		option.file = $DIR/ledger
	EOF
	start_master
	for ((i = 1; i <= 20; i++)); do
		submit ledger "$i 20"
	done
	wait_until 10 has_lines "$DIR/ledger" 40
	assert_equal 2 "$(awk '!/^done/ {print $3}' "$DIR/ledger" | sort -u | wc -l)" "workers that had jobs"
	assert_equal 20 "$(awk '!/^done/ {print $1}' "$DIR/ledger" | sort -u | wc -l)" "different jobs"
}
