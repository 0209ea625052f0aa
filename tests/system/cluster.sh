# shellcheck shell=bash
# cluster.sh - several machines, each with its own master, share one backlog in a PostgreSQL: machines, masters and the
# server are killed, stopped and cut short.
#
# A machine is an IPC namespace with a directory of its own, kept by a process that sleeps in it. They share the process
# table, so that a task's pid says on which machine it ran.

# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/postgres.sh"

LEDGER=$DIR/ledger
LEASE_MS=2000

declare -A MACHINES=() # node: the process that keeps it
declare -A MASTERS=()  # node: pid of its master

# ---- machines -----------------------------------------------------------------------------------------------------

namespace() { # PID
	readlink "/proc/$1/ns/ipc"
}

is_apart() { # PID
	[[ $(namespace "$1") != "$(namespace $$)" ]]
}

boot() { # NODE
	unshare --ipc sleep 1000 &
	MACHINES[$1]=$!
	wait_until 5 is_apart "${MACHINES[$1]}"
}

on() { # NODE COMMAND...
	nsenter --ipc="/proc/${MACHINES[$1]}/ns/ipc" "${@:2}"
}

# `yardmaster` there.
yn() { # NODE COMMAND ARGUMENTS...
	on "$1" "$YARDMASTER" "$2" -c "$DIR/$1.ini" "${@:3}"
}

# All that runs there, but for who keeps it.
processes_on() { # NODE
	local space
	space=$(namespace "${MACHINES[$1]}")
	# -lname takes a pattern
	find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/ipc' -lname "ipc:?${space//[!0-9]/}?" 2>/dev/null |
		cut -d/ -f3 | grep -vx "${MACHINES[$1]}"
}

nothing_runs_on() { # NODE
	[[ -z $(processes_on "$1") ]]
}

# Everything there dies at once, and its System V objects with it, as if the power went.
crash() { # NODE
	local pids
	mapfile -t pids < <(processes_on "$1")
	# Or those that are still alive for a moment would take the units of those that are dead.
	kill -STOP "${pids[@]}" 2>/dev/null
	kill -KILL "${pids[@]}" "${MACHINES[$1]}" 2>/dev/null
	wait "${MACHINES[$1]}" "${MASTERS[$1]}" 2>/dev/null
	unset "MACHINES[$1]" "MASTERS[$1]"
}

# ---- masters ------------------------------------------------------------------------------------------------------

# The pools come from stdin, one file for all.
write_nodes() { # NODE...
	local node pools
	pools=$(cat)
	for node in "$@"; do
		mkdir -p "$DIR/$node"
		printf '[yardmaster]\ninstance = test\ndirectory = %s/run\nstore = %s\nnode = %s\nlease = %sms\n%s\n' \
			"$DIR/$node" "$(postgres_uri)" "$node" "$LEASE_MS" "$pools" >"$DIR/$node.ini"
	done
}

ledger_pool() { # WORKERS OPTIONS...
	printf '[pool:ledger]\nplugin = %s\nworkers = %s\noption.file = %s\nrestart_delay = 10ms\n' \
		"$PLUGINS/ledger.so" "$1" "$LEDGER"
	(($# == 1)) || printf '%s\n' "${@:2}"
}

is_up() { # NODE
	grep -qs "is up (pid ${MASTERS[$1]}," "$DIR/$1.log"
}

up_or_not() { # NODE
	is_up "$1" || ended "${MASTERS[$1]}"
}

launch() { # NODE...
	local node
	for node in "$@"; do
		(
			exec nsenter --ipc="/proc/${MACHINES[$node]}/ns/ipc" "$YARDMASTER" run "$DIR/$node.ini" >>"$DIR/$node.log" 2>&1
		) &
		MASTERS[$node]=$!
	done
	for node in "$@"; do
		wait_until 20 up_or_not "$node"
		is_up "$node" || fail "node $node does not start: $(tail -3 "$DIR/$node.log")"
	done
}

# The database, and nodes that run; the pools come from stdin.
start_cluster() { # NODE...
	local node
	: >"$LEDGER"
	start_postgres
	write_nodes "$@"
	expect 0 "$YARDMASTER" store init -c "$DIR/$1.ini"
	for node in "$@"; do
		boot "$node"
	done
	launch "$@"
}

stop_nodes() { # NODE...
	local node
	for node in "$@"; do
		kill -TERM "${MASTERS[$node]}"
	done
	for node in "$@"; do
		wait "${MASTERS[$node]}"
		assert_equal 0 $? "exit code of the master of node $node"
		unset "MASTERS[$node]"
		# The guardian ends a moment after the last one.
		wait_until 5 nothing_runs_on "$node"
		kill -KILL "${MACHINES[$node]}"
		wait "${MACHINES[$node]}" 2>/dev/null
		unset "MACHINES[$node]"
	done
}

stop_cluster() {
	stop_nodes "${!MASTERS[@]}"
	stop_postgres
}

# ---- jobs ---------------------------------------------------------------------------------------------------------

# Jobs with numbers from FIRST to LAST that run for MS, or until the gate opens.
feed() { # NODE FIRST LAST MS|gate
	local i
	for ((i = $2; i <= $3; i++)); do
		echo "$i $4"
	done | yn "$1" submit ledger --lines --quiet >/dev/null || fail "jobs $2 to $3 are not taken in on node $1"
}

jobs_that_are() { # STATE
	psql_do "SELECT count(*) FROM yardmaster.job WHERE state = '$1'"
}

jobs_are() { # STATE NUMBER
	[[ $(jobs_that_are "$1") == "$2" ]]
}

ran_to_the_end() { # NUMBER
	(($(grep -c '^done ' "$LEDGER") >= $1))
}

# Each number from 1 on has ended once, and only one that was cut short was begun more than once.
assert_all_once() { # LAST
	assert_same_lines "$(seq "$1")" "$(awk '$1 == "done" {print $2}' "$LEDGER" | sort -n)" "numbers of jobs that ended"
}

have_all_ended() { # LAST
	(($(awk '$1 == "done" {print $2}' "$LEDGER" | sort -u | wc -l) >= $1))
}

# After a crash: what the dead have done, and could not record any more, was done again by somebody, once.
assert_all_done() { # LAST
	assert_same_lines "$(seq "$1")" "$(awk '$1 == "done" {print $2}' "$LEDGER" | sort -nu)" "numbers of jobs that ended"
	assert_equal "" "$(awk '$1 == "killed" {dead[$2] = 1; next}
		$1 == "done" {job[++n] = $2; pid[n] = $4}
		END {for (i = 1; i <= n; i++) if (!(pid[i] in dead) && living[job[i]]++) print job[i]}' "$LEDGER")" \
		"jobs that the living have done twice"
}

assert_begun_once() {
	assert_equal "" "$(awk 'NF == 3 {print $1}' "$LEDGER" | sort | uniq -d)" "jobs that began twice"
}

workers_on() { # NODE
	yn "$1" status | awk '$1 == "ROW" {on = 1; next} on {print $2}'
}

# Jobs that ended on this node.
ended_on() { # NODE
	local pids
	pids=$(workers_on "$1" | paste -sd ' ')
	awk -v pids="$pids" 'BEGIN {n = split(pids, p); for (i = 1; i <= n; i++) here[p[i]] = 1}
		$1 == "done" && here[$4] {count++} END {print count + 0}' "$LEDGER"
}

# An attempt is recorded when it has taken a moment; before that it does not count.
runs_on() { # NODE
	(($(psql_do "SELECT count(*) FROM yardmaster.job j JOIN yardmaster.node n ON n.id = j.node
		WHERE j.state = 'running' AND n.name = '$1'") > 0))
}

# By way of any node: who runs one hears of it.
cancel_running() { # NODE
	local id
	for id in $(psql_do "SELECT id FROM yardmaster.job WHERE state = 'running'"); do
		expect 0 yn "$1" cancel "$id"
	done
}

has_begun() { # NUMBER [ATTEMPT]
	grep -q "^$1 ${2:-1} " "$LEDGER"
}

nodes_alive() {
	"$YARDMASTER" status --cluster --json -c "$DIR/a.ini" | sed -n 's/.*"alive": \([0-9]*\), "dead".*/\1/p'
}

# ---- tests --------------------------------------------------------------------------------------------------------

test_nodes_share_one_backlog() {
	local node
	start_cluster a b c < <(ledger_pool 2)
	feed a 1 150 20
	feed b 151 200 20
	wait_until 30 ran_to_the_end 200
	assert_all_once 200
	assert_begun_once
	for node in a b c; do
		(($(ended_on "$node") >= 20)) || fail "node $node ran only $(ended_on "$node") of 200 jobs"
	done
	wait_until 5 jobs_are "done" 200
	# Long jobs do not wait behind others while a worker elsewhere has nothing to do.
	feed a 201 206 700
	wait_until 2 has_begun 206
	wait_until 10 ran_to_the_end 206
	stop_cluster
	assert_equal 0 "$(ipc_objects)" "IPC objects"
}

test_unique_delay_and_priority_across_nodes() {
	local first second start order
	start_cluster a b < <(ledger_pool 1)
	start=$(now_ms)
	expect 0 yn a submit ledger "1 0" --unique key --delay 600ms
	first=$OUT
	expect 0 yn b submit ledger "2 0" --unique key
	second=$OUT
	assert_equal "$first" "$second" "id of the job that has the key"
	wait_until 10 ran_to_the_end 1
	(($(now_ms) - start >= 600)) || fail "a delayed job ran after $(($(now_ms) - start)) ms"
	wait_until 5 jobs_are "done" 1
	expect 0 yn b submit ledger "3 0" --unique key
	wait_until 5 ran_to_the_end 2
	# Both workers are busy: what is urgent comes first, wherever it was submitted. Who becomes free takes some in advance.
	feed a 10 11 60000
	wait_until 5 has_begun 10
	wait_until 5 has_begun 11
	# A node that has had short jobs lately takes some in advance: until it has forgotten them.
	sleep 1
	expect 0 yn a submit ledger "20 100" --priority low
	expect 0 yn a submit ledger "21 100" --priority low
	expect 0 yn b submit ledger "30 100" --priority urgent
	expect 0 yn b submit ledger "31 100" --priority urgent
	cancel_running a
	wait_until 10 ran_to_the_end 6
	order=$(awk 'NF == 3 && $1 >= 20 {print $1}' "$LEDGER" | paste -sd ' ')
	[[ $order == *3?\ *\ 2? ]] || fail "what is urgent did not come first: $order"
	stop_cluster
}

attempts_are_known() { # NODE
	(($(psql_do "SELECT count(*) FROM yardmaster.job WHERE attempt > 0 AND finished IS NULL
		AND node = (SELECT id FROM yardmaster.node WHERE name = '$1')") > 0))
}

test_jobs_of_a_machine_that_dies_run_elsewhere() {
	start_cluster a b c < <(ledger_pool 2 "attempts = 3")
	feed b 1 32 20
	wait_until 10 ran_to_the_end 32
	wait_until 5 jobs_are "done" 32
	# None of these may end before the machine dies: what has ended and is not recorded yet would run again.
	feed b 33 40 gate
	wait_until 10 runs_on b
	# What has only just begun there is tried again without counting.
	wait_until 5 attempts_are_known b
	crash b
	touch "$LEDGER.gate"
	wait_until 30 ran_to_the_end 40
	assert_all_once 40
	# What ran there had its first attempt there.
	(($(psql_do "SELECT count(*) FROM yardmaster.job WHERE attempt = 2") >= 1)) || fail "no attempt was counted"
	assert_equal 0 "$(psql_do "SELECT count(*) FROM yardmaster.job WHERE attempt > 2")" "jobs tried three times"
	wait_until 5 jobs_are "done" 40
	assert_equal 2 "$(nodes_alive)" "nodes alive"
	expect 1 "$YARDMASTER" status --cluster -c "$DIR/a.ini"
	assert_contains "2 nodes alive, 1 DEAD" "$OUT" "first line"
	# It comes back as if nothing had been.
	boot b
	launch b
	expect 0 "$YARDMASTER" status --cluster -c "$DIR/a.ini"
	assert_contains "3 nodes alive" "$OUT" "first line"
	feed b 41 50 20
	wait_until 10 ran_to_the_end 50
	assert_all_once 50
	stop_nodes a b c
	expect 3 "$YARDMASTER" status --cluster -c "$DIR/a.ini"
	stop_cluster
}

# Its workers go on, and the next master goes on with them: nobody else gets their jobs.
test_master_dies_alone() {
	local i
	start_cluster a b c < <(ledger_pool 2)
	feed b 1 80 100
	for ((i = 0; i < 3; i++)); do
		wait_until 10 ran_to_the_end $((8 + 15 * i))
		kill -KILL "${MASTERS[b]}"
		wait "${MASTERS[b]}" 2>/dev/null
		sleep 0.3
		launch b
	done
	wait_until 20 ran_to_the_end 80
	assert_all_once 80
	assert_begun_once
	wait_until 5 jobs_are "done" 80
	assert_equal 0 "$(psql_do "SELECT count(*) FROM yardmaster.job WHERE attempt <> 1")" "attempts too many"
	stop_cluster
}

# Fetching stops, running goes on, and nobody is taken for dead afterwards.
test_server_dies_under_load() {
	local i before nodes next=101 node
	start_cluster a b c < <(ledger_pool 2)
	nodes=$(psql_do "SELECT id FROM yardmaster.node ORDER BY id")
	feed a 1 100 40
	for ((i = 0; i < 2; i++)); do
		wait_until 10 ran_to_the_end $((10 + 20 * i))
		for node in a b c; do
			feed "$node" $next $((next + 9)) 300
			next=$((next + 10))
		done
		before=$(grep -c ^done "$LEDGER")
		kill_postgres
		sleep 2.5 # longer than a lease
		(($(grep -c ^done "$LEDGER") > before)) || fail "what ran when the server died did not end"
		start_postgres
	done
	wait_until 40 ran_to_the_end 160
	assert_all_once 160
	assert_begun_once
	wait_until 10 jobs_are "done" 160
	assert_equal "$nodes" "$(psql_do "SELECT id FROM yardmaster.node ORDER BY id")" "registrations of nodes"
	assert_equal 3 "$(nodes_alive)" "nodes alive"
	stop_cluster
}

# Stopped for longer than its lease, then woken: what it still does with its jobs counts no longer.
test_node_that_was_stopped_comes_too_late() {
	local pids node
	start_cluster a b c < <(ledger_pool 1 "attempts = 3")
	# Whoever comes first runs it.
	feed b 1 1 3000
	wait_until 5 jobs_are running 1
	node=$(psql_do "SELECT n.name FROM yardmaster.job j JOIN yardmaster.node n ON n.id = j.node")
	mapfile -t pids < <(processes_on "$node")
	kill -STOP "${pids[@]}" 2>/dev/null
	wait_until 15 has_begun 1 2
	kill -CONT "${pids[@]}"
	wait_until 15 jobs_are "done" 1
	assert_equal 2 "$(psql_do "SELECT attempt FROM yardmaster.job")" "attempt that counts"
	# It was told to stop, and did.
	assert_equal "back 1 1" "$(awk '$3 == 1 && NF == 4 {print $1, $2, $3}' "$LEDGER")" "end of the first attempt"
	assert_equal "done 1 2" "$(awk '$3 == 2 && NF == 4 {print $1, $2, $3}' "$LEDGER")" "end of the second attempt"
	wait_until 5 is 3 nodes_alive
	# It works as before.
	feed "$node" 2 30 50
	wait_until 15 ran_to_the_end 30
	(($(ended_on "$node") >= 3)) || fail "node $node ran only $(ended_on "$node") jobs since"
	assert_all_once 30
	stop_cluster
}

# Most jobs that were inside at the same time, by the ledger; "killed PID" is the end of what ran there.
most_inside() {
	awk '$1 == "killed" {if (inside[$2]) {n--; delete inside[$2]}}
		NF == 3 {inside[$3] = 1; n++; if (n > most) most = n}
		NF == 4 && inside[$4] {n--; delete inside[$4]}
		END {print most + 0}' "$LEDGER"
}

test_limit_of_the_cluster() {
	local pids
	start_cluster a b c < <(
		printf '[limit:three]\nmax = 3\nscope = cluster\n'
		ledger_pool 3 "limits = three" "attempts = 5"
	)
	feed a 1 40 60
	feed b 41 80 60
	feed c 81 120 60
	wait_until 20 ran_to_the_end 30
	pids=$(workers_on b)
	crash b
	# shellcheck disable=SC2086 # words on purpose
	printf 'killed %s\n' $pids >>"$LEDGER"
	wait_until 40 have_all_ended 120
	assert_all_done 120
	assert_equal 3 "$(most_inside)" "most jobs at the same time"
	(($(ended_on a) >= 5 && $(ended_on c) >= 5)) || fail "one node took all units: $(ended_on a), $(ended_on c)"
	# One of them gets all units when nobody else wants any.
	feed c 121 123 4000
	wait_until 3 has_begun 121
	wait_until 3 has_begun 122
	wait_until 3 has_begun 123
	(($(grep -c '^done 12[123] ' "$LEDGER") == 0)) || fail "one waited for another"
	assert_equal 3 "$(most_inside)" "most jobs at the same time"
	cancel_running a
	stop_cluster
}

# Parts of what a job needs are of no use to anybody: they must not be given to two nodes.
test_limit_of_the_cluster_with_several_units() {
	start_cluster a b c < <(
		printf '[limit:two]\nmax = 2\nscope = cluster\n'
		ledger_pool 2 "limits = two:2"
	)
	feed a 1 6 50
	feed b 7 12 50
	feed c 13 18 50
	wait_until 30 ran_to_the_end 18
	assert_all_once 18
	assert_equal 1 "$(most_inside)" "most jobs at the same time"
	stop_cluster
}

# Without its master, a node starts no job with units that others may have by now.
test_limit_of_the_cluster_without_a_master() {
	start_cluster a b < <(
		printf '[limit:one]\nmax = 1\nscope = cluster\n'
		ledger_pool 2 "limits = one" "attempts = 5"
	)
	feed a 1 30 150
	wait_until 5 has_begun 2
	kill -KILL "${MASTERS[a]}"
	wait "${MASTERS[a]}" 2>/dev/null
	# More than it can do in the time that it had left.
	wait_until 30 ran_to_the_end 18
	launch a
	wait_until 40 ran_to_the_end 30
	assert_equal 1 "$(most_inside)" "most jobs at the same time"
	stop_cluster
}

test_users_put_jobs_in_by_sql() {
	local i start spans=()
	start_cluster a b c < <(ledger_pool 1)
	psql_do "BEGIN; SELECT yardmaster.submit('ledger', '1 0'); ROLLBACK" >/dev/null
	psql_do "BEGIN; SELECT yardmaster.submit('ledger', '2 0'); COMMIT" >/dev/null
	psql_do "INSERT INTO yardmaster.job (pool, payload) VALUES ('ledger', '3 0')"
	wait_until 5 ran_to_the_end 2
	# Nobody looks oftener than once a second unless he is told.
	for ((i = 10; i < 20; i++)); do
		psql_do "SELECT yardmaster.submit('ledger', '$i 0')" >/dev/null
		start=$(now_ms)
		wait_until 5 has_begun "$i"
		spans+=($(($(now_ms) - start)))
	done
	mapfile -t spans < <(printf '%s\n' "${spans[@]}" | sort -n)
	echo "from the commit to the start: ${spans[*]} ms"
	# Some may be held up by whatever else this machine does.
	assert_less 300 "${spans[6]}" "ms from the commit to the start, of seven in ten"
	wait_until 5 jobs_are "done" 12
	has_begun 1 && fail "a job ran that was rolled back"
	stop_cluster
}

sees_busy() { # WORKERS
	expect 0 "$YARDMASTER" status --cluster -c "$DIR/b.ini"
	(($(grep -c ' busy .* [0-9]*% ' <<<"$OUT") == $1))
}

test_status_of_the_cluster() {
	start_cluster a b < <(ledger_pool 1)
	feed a 1 2 5000
	wait_until 5 has_begun 1
	wait_until 5 has_begun 2
	wait_until 5 sees_busy 2
	assert_contains "postgresql:///" "$OUT" "store"
	expect 0 "$YARDMASTER" status --cluster --json -c "$DIR/a.ini"
	python3 -c '
import json, sys
it = json.loads(sys.argv[1])
assert it["alive"] == 2 and it["dead"] == 0, it
assert sorted(n["name"] for n in it["nodes"]) == ["a", "b"], it
assert sum(w["state"] == "busy" for n in it["nodes"] for w in n["board"]["workers"]) == 2, it
' "$OUT" || fail "JSON of the cluster: $OUT"
	cancel_running a
	stop_cluster
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	expect 2 ym status --cluster
	assert_contains "this machine's alone" "$ERR" "status --cluster of an instance without a shared store"
}
