# shellcheck shell=bash disable=SC2016 # those are variables of PHP
# examples.sh - the examples of the IPC library, built against an installed Yardmaster, and the scripts that submit by
# inbox; the runner sees what they leave.

# Install, copy the examples, build one. EXAMPLE is its directory.
build_example() { # NAME
	local prefix=$DIR/prefix
	# The make that runs the tests must not hand its options down.
	unset MAKEFLAGS MAKELEVEL MFLAGS
	make -C "$SOURCE" BUILD="$BUILD" PREFIX="$prefix" install >"$DIR/make" 2>&1 || fail "make install: $(<"$DIR/make")"
	mkdir "$DIR/examples"
	cp -r "$SOURCE"/examples/{segment,shared_memory,progress} "$DIR/examples"
	EXAMPLE=$DIR/examples/$1
	PKG_CONFIG_PATH=$prefix/lib/pkgconfig make -B -C "$EXAMPLE" CFLAGS="-O2 -Wall -Wextra -Wconversion -Werror" \
		>"$DIR/make" 2>&1 || fail "make of the example: $(<"$DIR/make")"
	export LD_LIBRARY_PATH=$prefix/lib
	cd "$EXAMPLE" || fail "no directory $EXAMPLE"
}

need_php() {
	command -v php >/dev/null || skip "php is not installed"
	php -r 'exit((int) !(extension_loaded("sysvsem") && extension_loaded("sysvshm")));' ||
		skip "php has no sysvsem or no sysvshm"
}

no_objects() {
	(($(ipc_objects) == 0))
}

sleeps() { # PID
	grep -q '^State:.S' "/proc/$1/status"
}

# ---- segment ----------------------------------------------------------------------------------------------------

test_segment() {
	build_example segment
	expect 1 ./segment get city
	expect 1 ./segment delete
	assert_equal 0 "$(ipc_objects)" "objects after looking"
	expect 0 ./segment send city Oslo
	expect 0 ./segment send city "Tromsø"
	expect 0 ./segment get city
	assert_equal "Tromsø" "$OUT" "the city"
	expect 1 ./segment get river
	expect 0 ./segment delete city
	expect 1 ./segment delete city
	assert_contains 'no variable "city"' "$ERR" "deleted twice"
	expect 2 ./segment send city
	expect 0 ./segment delete
	assert_equal 0 "$(ipc_objects)" "objects after delete"
}

# What README.md tells people to type.
test_segment_and_php() {
	local lines
	need_php
	build_example segment
	mapfile -t lines < <(sed -n 's/^    \(php -r .*\)$/\1/p' README.md)
	assert_equal 2 "${#lines[@]}" "lines for PHP in README.md"
	expect 0 ./segment send city Oslo
	expect 0 bash -c "${lines[0]}"
	assert_equal Oslo "$OUT" "what PHP reads"
	expect 0 bash -c "${lines[1]}"
	assert_equal "" "$OUT$ERR" "PHP writes"
	expect 0 ./segment get sizes
	assert_contains "\`$OUT\`" "$(<README.md)" "what C reads, promised in README.md"
	expect 0 ./segment delete
}

# Killed while it holds the semaphore, and while it waits for it.
test_segment_killed() {
	local holder waiter
	need_php
	build_example segment
	expect 0 ./segment send city Oslo
	php -r '$s = sem_get(ftok("segment.key", "s")); sem_acquire($s); echo "has it\n"; sleep(60);' >"$DIR/holder" &
	holder=$!
	wait_until 10 has_line "$DIR/holder" "has it"
	./segment get city >"$DIR/waiter" &
	waiter=$!
	wait_until 10 sleeps "$waiter"
	slay "$holder"
	wait "$waiter" || fail "get after the death of the holder: $?"
	assert_equal Oslo "$(<"$DIR/waiter")" "what the waiter gets"
	expect 0 ./segment delete
}

# ---- shared_memory ----------------------------------------------------------------------------------------------

# Somebody who takes part, until release_holder: HOLDER is its pid.
start_holder() {
	mkfifo "$DIR/hold"
	./shared_memory "$DIR/group" hold <"$DIR/hold" >"$DIR/holder" &
	HOLDER=$!
	exec 7>"$DIR/hold"
	wait_until 10 has_line "$DIR/holder" "$DIR/group is there until the input ends"
}

release_holder() {
	exec 7>&-
	wait "$HOLDER"
	assert_equal 0 $? "exit code of the holder"
}

memory() { # COMMAND ARGUMENTS...
	./shared_memory "$DIR/group" "$@"
}

test_shared_memory() {
	build_example shared_memory
	expect 0 memory set greeting hello
	assert_equal 0 "$(ipc_objects)" "objects without a participant"
	start_holder
	expect 1 memory get greeting
	expect 0 memory set greeting hello
	expect 1 memory cas greeting bye good
	expect 0 memory cas greeting hello "good bye"
	expect 0 memory get greeting
	assert_equal "good bye" "$OUT" "the greeting"
	expect 0 memory count number 3
	assert_equal $'1\n2\n3' "$OUT" "the sums"
	expect 1 memory count greeting 1
	assert_contains "no integer" "$ERR" "a string is not counted"
	expect 0 memory set big "$(printf '%060000d' 0 | tr 0 x)"
	expect 1 memory set bigger "$(printf '%060000d' 0 | tr 0 y)"
	assert_contains "are missing" "$ERR" "too much"
	expect 0 memory delete big
	expect 1 memory delete big
	expect 0 memory get number
	assert_equal 3 "$OUT" "the number after all that"
	expect 0 memory clear
	expect 1 memory get number
	expect 2 memory get
	release_holder
	assert_equal 0 "$(ipc_objects)" "objects after the last participant"
}

test_shared_memory_demo() {
	need_php
	build_example shared_memory
	expect 0 ./demo.sh 4
	assert_contains "killed: 4 times C, 4 times PHP" "$OUT" "the demo"
	assert_equal right "${OUT##*$'\n'}" "the end of the demo"
	assert_equal 0 "$(ipc_objects)" "objects after the demo"
}

# The C program that made the group is killed: PHP is the last participant, C comes back, PHP ends.
test_shared_memory_outlived_by_php() {
	local php
	need_php
	build_example shared_memory
	start_holder
	mkfifo "$DIR/php"
	php -r 'require "SharedMemory.php"; $m = new SharedMemory($argv[1]); $m->set("list", ["a" => 1.5, 7 => true]);
		echo "set\n"; fgets(STDIN);' "$DIR/group" <"$DIR/php" >"$DIR/php.out" &
	php=$!
	exec 8>"$DIR/php"
	wait_until 10 has_line "$DIR/php.out" "set"
	slay "$HOLDER"
	exec 7>&-
	expect 0 memory get list
	assert_equal 'a:2:{s:1:"a";d:1.5;i:7;b:1;}' "$OUT" "what PHP set"
	exec 8>&-
	wait "$php" || fail "PHP failed"
	wait_until 5 no_objects
}

# The mutex of a killed process is free; a living one makes the others wait, as long as they want to.
test_shared_memory_mutex() {
	local php code='require "SharedMemory.php"; $m = new SharedMemory($argv[1]);'
	need_php
	build_example shared_memory
	start_holder
	php -r "$code"' $m->update("x", function () { echo "inside\n"; sleep(60); });' "$DIR/group" >"$DIR/php.out" &
	php=$!
	wait_until 10 has_line "$DIR/php.out" "inside"
	expect 255 php -r "$code"' $m->set("x", 5, 0.1);' "$DIR/group"
	assert_contains "did not become free in 0.1 s" "$OUT$ERR" "PHP's timeout"
	slay "$php"
	expect 0 php -r "$code"' $m->set("x", 5, 0.1); var_dump($m->compareAndSet("x", 4, 6), $m->compareAndSet("x", 5, 7));' \
		"$DIR/group"
	assert_equal $'bool(false)\nbool(true)' "$OUT" "compareAndSet"
	expect 0 memory get x
	assert_equal 7 "$OUT" "what PHP set"
	expect 0 php -r "$code"' $m->delete("x"); var_dump($m->get("x"));' "$DIR/group"
	assert_equal NULL "$OUT" "deleted by PHP"
	expect 1 memory get x
	release_holder
}

versions() {
	php -r 'require "Group.php"; $g = new Group($argv[1]);
		echo shm_get_var($g->variables("copy0"), 1)[0], " ", shm_get_var($g->variables("copy1"), 1)[0];' "$DIR/group"
}

# What a killed C writer leaves: `free` in the head negative if the array was changing its size, else no length.
spoil() { # COPY OFFSET NUMBER
	perl -MIPC::SysV=ftok -e 'shmwrite(shmget(ftok($ARGV[0], ord "y"), 0, 0), pack("q", $ARGV[2]), $ARGV[1], 8) or die $!' \
		"$DIR/group/$1" "$2" "$3" || fail "cannot spoil $1"
}
spoil_size() { # COPY
	spoil "$1" 24 -1
}
spoil_value() { # COPY
	spoil "$1" 48 0
}

# Each version goes into the copy that does not count; that one may be spoiled.
test_shared_memory_copies() {
	local set='require "SharedMemory.php"; (new SharedMemory($argv[1]))->set("x", (int) $argv[2]);'
	local get='require "SharedMemory.php"; echo (new SharedMemory($argv[1]))->get("x");'
	need_php
	build_example shared_memory
	start_holder
	expect 0 memory set x 1
	expect 0 memory set x 2
	assert_equal "2 1" "$(versions)" "versions after two changes"
	spoil_size copy1
	expect 255 php -r "$set" "$DIR/group" 3
	assert_contains "Not enough shared memory left" "$OUT$ERR" "PHP cannot mend"
	expect 0 memory get x
	assert_equal 2 "$OUT" "the value, one copy spoiled"
	expect 0 php -r "$get" "$DIR/group"
	assert_equal 2 "$OUT" "the same for PHP"
	expect 0 memory set x 3
	assert_equal "2 3" "$(versions)" "versions after C has mended"
	expect 0 php -r "$set" "$DIR/group" 4
	assert_equal "4 3" "$(versions)" "versions after a change by PHP"
	expect 0 php -r "$set" "$DIR/group" 5
	assert_equal "4 5" "$(versions)" "versions after another change by PHP"
	spoil_value copy0
	expect 0 memory get x
	assert_equal 5 "$OUT" "the value, the other one without a length"
	expect 0 php -r "$get" "$DIR/group"
	assert_equal 5 "$OUT" "the same for PHP, without a length"
	expect 0 php -r "$set" "$DIR/group" 6
	assert_equal "6 5" "$(versions)" "versions after PHP has replaced the value"
	spoil_value copy0
	spoil_value copy1
	expect 255 php -r "$get" "$DIR/group"
	assert_contains "no copy of the values is whole" "$OUT$ERR" "both copies spoiled, for PHP"
	expect 4 memory get x
	assert_contains "no copy of the values is whole" "$ERR" "both copies spoiled"
	release_holder
}

# A script alone makes nothing.
test_shared_memory_php_alone() {
	need_php
	build_example shared_memory
	expect 4 php count.php "$DIR/group" x 1
	expect 0 memory set x 1
	expect 4 php count.php "$DIR/group" x 1
	assert_contains "start a C program first" "$ERR" "PHP alone"
	assert_equal 0 "$(ipc_objects)" "objects after PHP alone"
}

# ---- progress ---------------------------------------------------------------------------------------------------

# A copy that takes long, its child asleep after it has begun: PARENT and CHILD are their pids.
start_copy() { # BYTES PER SECOND
	head -c 3000000 /dev/urandom >"$DIR/source"
	rm -f "$DIR/progress" "$DIR/target"
	./progress "$DIR/group" "$DIR/source" "$DIR/target" "$1" >"$DIR/progress" &
	PARENT=$!
	wait_until 10 grep -aqs ' [1-9][0-9]* %' "$DIR/progress"
	CHILD=$(tr -d ' ' <"/proc/$PARENT/task/$PARENT/children")
	kill -STOP "$CHILD"
}

test_progress() {
	build_example progress
	start_copy 1000000
	expect 1 ./progress "$DIR/group" "$DIR/source" "$DIR/other" 1
	assert_contains "another copy is at work" "$ERR" "two copies at once"
	kill -CONT "$CHILD"
	wait "$PARENT" || fail "progress failed: $(<"$DIR/progress")"
	assert_contains "[########################################] 100 %" "$(<"$DIR/progress")" "the bar"
	assert_contains $'copied 3000000 bytes\neverything is removed' "$(<"$DIR/progress")" "the end"
	assert_same_file "$DIR/source" "$DIR/target" "the copy"
	assert_equal 0 "$(ipc_objects)" "objects afterwards"
	expect 1 ./progress "$DIR/group" "$DIR/source" "$DIR/target"
	assert_contains "File exists" "$OUT" "an existing target"
	expect 1 ./progress "$DIR/group" "$DIR/none" "$DIR/other"
	assert_contains "No such file" "$OUT" "a missing source"
	assert_equal 0 "$(ipc_objects)" "objects after failures"
}

test_progress_child_killed() {
	build_example progress
	start_copy 1000000
	slay "$CHILD"
	wait "$PARENT"
	assert_equal 1 $? "exit code of the parent"
	assert_contains "the copier (pid $CHILD) was killed after" "$(<"$DIR/progress")" "what the parent says"
	assert_contains "everything is removed" "$(<"$DIR/progress")" "the end"
	[[ ! -e $DIR/target ]] || fail "the target is still there"
	assert_equal 0 "$(ipc_objects)" "objects afterwards"
}

test_progress_parent_killed() {
	build_example progress
	start_copy 1000000
	slay "$PARENT"
	! no_objects || fail "the objects have gone before the child"
	kill -CONT "$CHILD"
	wait_until 20 no_objects
	assert_same_file "$DIR/source" "$DIR/target" "the copy of the orphan"
}

test_progress_both_killed() {
	build_example progress
	start_copy 1000000
	slay "$CHILD" "$PARENT"
	wait_until 10 no_objects
	rm "$DIR/target"
	expect 0 ./progress "$DIR/group" "$DIR/source" "$DIR/target"
}

test_progress_php() {
	local php
	need_php
	build_example progress
	start_copy 1000000
	php progress.php "$DIR/group" >"$DIR/php" &
	php=$!
	wait_until 10 has_lines "$DIR/php" 1
	kill -CONT "$CHILD"
	wait "$PARENT" || fail "progress failed: $(<"$DIR/progress")"
	wait "$php" || fail "progress.php failed"
	assert_equal "100 %" "$(tail -n 1 "$DIR/php")" "the last line of PHP"
	wait_until 5 no_objects
	rm "$DIR/php"
	start_copy 1000000
	php progress.php "$DIR/group" >"$DIR/php" &
	php=$!
	wait_until 10 has_lines "$DIR/php" 1
	slay "$CHILD"
	wait "$PARENT" "$php"
	assert_equal 1 $? "exit code of progress.php"
	assert_equal failed "$(tail -n 1 "$DIR/php")" "the last line of PHP"
	wait_until 5 no_objects
}

# ---- inbox ------------------------------------------------------------------------------------------------------

# The scripts, in SCRIPTS; the master of the example, with a directory of the test.
start_inbox_example() {
	local instance='instance = test'
	SCRIPTS=("php submit.php" "perl submit.pl" "/usr/bin/python3 submit.py")
	php -r 'exit((int) !extension_loaded("sysvmsg"));' 2>/dev/null || skip "there is no PHP with sysvmsg"
	perl -MIPC::SysV -MJSON::PP -e 1 2>/dev/null || skip "perl has no IPC::SysV or no JSON::PP"
	/usr/bin/python3 -c 'import sysv_ipc' 2>/dev/null || skip "python3 has no sysv_ipc"
	cp -r "$SOURCE/examples/inbox" "$DIR/inbox"
	cd "$DIR/inbox" || fail "no directory $DIR/inbox"
	sed -i "s|^directory = .*|directory = $DIR/run\n$instance|" inbox.ini
	# shellcheck disable=SC2034 # for the library
	INI=$DIR/inbox/inbox.ini
	export YARDMASTER
	start_master
}

test_inbox_wait() { # sanitized
	local script
	start_inbox_example
	for script in "${SCRIPTS[@]}"; do
		# shellcheck disable=SC2086 # a command and its argument
		expect 0 $script "$DIR/run" sum "1 2 3" --wait
		assert_equal 6 "$OUT" "$script --wait"
		# shellcheck disable=SC2086
		expect 1 $script "$DIR/run" count many --wait
		assert_equal "failed: exited with code 1: not a number: many" "$OUT" "$script --wait"
		# shellcheck disable=SC2086
		expect 3 $script "$DIR/run" nosuch 1 --wait
	done
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects at the end"
}

# All at the same time, each script twice: each sees its own job, and nothing but it.
test_inbox_progress() { # sanitized
	local n said script pids=()
	start_inbox_example
	for n in 10 11 12 13 14 15; do
		# shellcheck disable=SC2086
		${SCRIPTS[n % 3]} "$DIR/run" count "$n" --progress >"$DIR/said.$n" 2>&1 &
		pids[n]=$!
	done
	for n in 10 11 12 13 14 15; do
		script=${SCRIPTS[n % 3]} said=$DIR/said.$n
		wait "${pids[n]}" || fail "$script: exit code $?: $(<"$said")"
		grep -qx "running [0-9]*/$n numbers now at [0-9]*" "$said" || fail "$script: no step: $(<"$said")"
		assert_equal "done $n/$n numbers|counted to $n" "$(tail -n 2 "$said" | paste -sd'|')" "the end of $script"
		assert_equal "" "$(head -n -2 "$said" | grep -vxE "waiting|running( [0-9]+/$n numbers now at [0-9]+)?")" \
			"lines of $script that are not of its job"
		assert_equal "" "$(uniq -d "$said")" "lines of $script that say nothing new"
	done
	for script in "${SCRIPTS[@]}"; do
		# An end without an error.
		rm "$said"
		# shellcheck disable=SC2086
		$script "$DIR/run" count 1000 --progress >"$said" 2>&1 &
		wait_until 10 grep -q "now at" "$said"
		expect 0 ym cancel --pool count
		wait $!
		assert_equal 1 $? "exit code of $script, cancelled"
		assert_equal cancelled "$(tail -n 1 "$said")" "what $script says, cancelled"
		# shellcheck disable=SC2086
		expect 1 $script "$DIR/run" count many --progress
		assert_contains "failed: exited with code 1: not a number: many" "$OUT" "$script --progress"
		# shellcheck disable=SC2086
		expect 3 env YARDMASTER="$DIR/none" $script "$DIR/run" count 2 --progress
		assert_contains 'cannot look at the job: `yardmaster jobs` failed' "$ERR" "$script without the program"
	done
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects at the end"
}

# ---- supervisor -------------------------------------------------------------------------------------------------

program_pids() { # PROGRAM
	ym status | awk -v name="$1" '$1 ~ "^" name "(:|$)" && $3 ~ /^[0-9]+$/ {print $3}'
}

process_is() { # STATE NAME
	[[ $(ym status | awk -v name="$2" '$1 == name {print $2}') == "$1" ]]
}

starts() { # NAME
	ym status | awk -v name="$1" '$1 == name {print $5}'
}

start_supervisor_example() {
	cp -r "$SOURCE/examples/supervisor" "$DIR/supervisor"
	cd "$DIR/supervisor" || fail "no directory $DIR/supervisor"
	sed -i "s|^instance = .*|instance = test\ndirectory = $DIR/run|" supervisor.ini
	# shellcheck disable=SC2034 # for the library
	INI=$DIR/supervisor/supervisor.ini
	start_master
}

# Nobody is started before the store says that it is ready.
test_supervisor() { # sanitized
	local pids
	start_supervisor_example
	expect 0 ym submit notes hello --wait
	assert_equal "noted: hello" "$OUT" "the result"
	wait_until 5 grep -q ' hello$' store.txt
	assert_equal "program store" "$(sed -n 's/.* master: \(program [a-z]*\).* started .*/\1/p' "$LOG" | head -n 1)" \
		"what starts first"
	# What it prints may be read after it has said that it is ready.
	assert_equal 1 "$(sed -n '/program store started/,$p' "$LOG" | grep -c "program count:count_00 started")" \
		"starts of a counter behind the store"
	wait_until 10 grep -q ' [1-9][0-9]* lines$' "$DIR/run/logs/count.log"
	expect 0 ym submit notes bye --wait
	wait_until 10 is 2 starts store
	wait_until 10 process_is RUNNING store
	sed -i 's/^numprocs = 2/numprocs = 3/' "$INI"
	pids=$(program_pids count)
	expect 0 ym reload
	assert_equal "program count: numprocs 2 -> 3" "$OUT" "what the reload does"
	wait_until 10 process_is RUNNING count:count_02
	assert_equal "$pids" "$(program_pids count | head -n 2)" "the other counters"
	sed -i 's/^max_jobs/mox_jobs/' "$INI"
	expect 2 ym reload
	assert_contains 'unknown option `mox_jobs`' "$ERR" "a mistake"
	sed -i 's/^mox_jobs/max_jobs/' "$INI"
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects at the end"
}

# The next master goes on with the processes of a killed one.
test_supervisor_master_killed() { # sanitized
	local store counters
	start_supervisor_example
	wait_until 10 process_is RUNNING count:count_01
	store=$(program_pids store) counters=$(program_pids count)
	slay "$MASTER"
	start_master
	assert_equal "$store|$counters" "$(program_pids store)|$(program_pids count)" "processes under the new master"
	expect 0 ym submit notes again --wait
	wait_until 5 grep -q ' again$' store.txt
	stop_master
}

# ---- store ------------------------------------------------------------------------------------------------------

start_store_example() { # INI
	cp -r "$SOURCE/examples/store" "$DIR/store"
	cd "$DIR/store" || fail "no directory $DIR/store"
	sed -i "s|^instance = .*|instance = test\ndirectory = $DIR/run|" "$1"
	# shellcheck disable=SC2034 # for the library
	INI=$DIR/store/$1
}

job_is() { # STATE JOB
	[[ $(ym jobs --id "$2" | awk 'NR == 2 {print $2}') == "$1" ]]
}

test_store_sqlite() {
	start_store_example sqlite.ini
	start_master
	expect 0 ym submit mail ann@example.org --wait
	assert_equal "sent to ann@example.org" "$OUT" "the result"
	expect 0 ym submit mail nobody
	wait_until 10 job_is failed "$OUT"
	expect 0 ym jobs --error "no address"
	assert_contains "no address: nobody" "$OUT" "the one that failed"
	expect 0 ym submit news bob@example.org --delay 10m
	stop_master
	expect 0 ym jobs --state delayed
	assert_contains "starts in" "$OUT" "the delayed one, after the stop"
	[[ -s jobs.db ]] || fail "there is no jobs.db"
}

order_done() {
	[[ $(psql_do "SELECT state FROM yardmaster.jobs WHERE tag = 'orders'") == "done" ]]
}

test_store_postgresql() {
	local uri
	# shellcheck source=tests/system/postgres.sh
	source "$SOURCE/tests/system/postgres.sh"
	start_postgres
	uri=$(postgres_uri)
	start_store_example postgresql.ini
	{ grep -v '^store = ' postgresql.ini | sed "/^instance/q"; echo "store = $uri"; grep -v '^store = ' postgresql.ini | sed '1,/^instance/d'; } >own.ini
	INI=$DIR/store/own.ini
	expect 0 ym store init
	start_master
	expect 0 "$(postgres_programs)/psql" -X -q -v ON_ERROR_STOP=1 -v customer=ann@example.org -d "$(postgres_uri)" -f order.sql
	wait_until 10 order_done
	expect 0 ym status --cluster
	assert_contains "1 node alive" "$OUT" "the cluster"
	stop_master
}
