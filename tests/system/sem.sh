# shellcheck shell=bash disable=SC2016 # words of other shells are meant as they are
# sem.sh - semaphores on the command line: units held in the background, and while a command runs.

KEY=0x5e3

sem() { # SUBCOMMAND ARGUMENTS...
	"$YARDMASTER" sem "$1" "$KEY" "${@:2}"
}

# A number of `sem stat`: free, attached, waiting.
state() { # NAME
	sem stat --json | sed -n "s/.*\"$1\": \\([0-9]*\\).*/\\1/p"
}

assert_state() { # FREE ATTACHED WAITING WHAT
	assert_equal "$1 $2 $3" "$(state free) $(state attached) $(state waiting)" "$4: free, attached, waiting"
}

# Take a unit; HOLDER is the pid that is printed.
acquire() { # OPTIONS...
	expect 0 sem acquire "$@"
	HOLDER=$OUT
	[[ $HOLDER =~ ^[0-9]+$ ]] || fail "acquire printed \"$HOLDER\""
}

remove() {
	expect 0 sem rm --force
}

test_get_and_rm() { # sanitized
	expect 1 sem stat
	assert_contains "there is no semaphore of key $KEY" "$ERR" "stat of nothing"
	expect 1 sem rm
	expect 0 sem get --max 3 --mode 640
	assert_contains "semaphore 0x000005e3 (id " "$OUT" "get"
	assert_contains "3 free, 0 attached, 0 waiting" "$OUT" "get"
	expect 0 sem stat --json
	assert_contains '"mode": "640", "members": 3, "holders": []}' "$OUT" "stat"
	# Whoever says nothing leaves the units as they are.
	expect 0 sem get
	assert_contains "3 free" "$OUT" "get without --max"
	expect 0 sem get --max 2
	assert_contains "2 free" "$OUT" "get with another --max"
	assert_equal "" "$ERR" "alone"
	expect 0 sem rm
	assert_contains "removed" "$OUT" "rm"
	expect 0 sem get
	assert_contains "1 free" "$OUT" "default of a new one"
	assert_contains "mode 600" "$OUT" "default of a new one"
	expect 0 sem rm
	assert_equal 0 "$(ipc_objects)" "objects"
}

test_max_without_effect() { # sanitized
	acquire --max 2
	assert_state 1 1 0 "one of two"
	expect 0 sem get --max 5
	assert_contains "--max 5 had no effect" "$ERR" "get beside a holder"
	assert_contains "1 free, 1 attached" "$OUT" "get beside a holder"
	expect 1 sem rm
	assert_contains "in use: 1 attached, 0 waiting, last used by process $HOLDER" "$ERR" "rm in use"
	assert_state 1 1 0 "rm in use"
	remove
}

test_acquire_and_release() { # sanitized
	local first second
	acquire --max 2
	first=$HOLDER
	assert_state 1 1 0 "one of two"
	acquire
	second=$HOLDER
	assert_state 0 2 0 "two of two"
	expect 0 sem stat
	assert_contains "1 unit is held by process $first for process $$" "$OUT" "stat"
	assert_contains "1 unit is held by process $second for process $$" "$OUT" "stat"
	expect 1 sem try
	assert_contains "no unit of semaphore 0x000005e3 is free" "$ERR" "try"
	assert_state 0 2 0 "try"
	# The newest is released first, and its unit is back at once.
	expect 0 sem release
	assert_state 1 1 0 "release"
	wait_until 5 ended "$second"
	ended "$first" && fail "the older one was released"
	expect 0 sem release
	assert_state 2 0 0 "second release"
	expect 1 sem release
	assert_contains "no unit of semaphore 0x000005e3 is held for process $$" "$ERR" "one release too many"
	expect 0 sem rm
	expect 1 sem release
	assert_contains "there is no semaphore" "$ERR" "release without a semaphore"
}

test_units() { # sanitized
	# The only user hears that it would wait for ever.
	expect 2 sem acquire --units 2
	assert_contains "semaphore 0x000005e3 has 1 units, never 2 at once: say --max" "$ERR" "more than there are"
	expect 2 sem try --units 0
	acquire --max 5 --units 3
	assert_state 2 1 0 "three of five"
	expect 0 sem stat
	assert_contains "3 units are held by process $HOLDER for process $$" "$OUT" "stat"
	expect 0 sem stat --json
	assert_contains "\"units\": 3}" "$OUT" "stat --json"
	expect 1 sem try --units 3
	assert_contains "3 units of semaphore 0x000005e3 are not free" "$ERR" "try"
	expect 1 sem acquire --units 3 --timeout 20ms
	assert_contains "3 units of semaphore 0x5e3 did not become free in time" "$ERR" "acquire"
	assert_state 2 1 0 "nothing was taken"
	expect 0 sem run --units 2 -- "$YARDMASTER" sem stat "$KEY"
	assert_contains "0 free, 2 attached" "$OUT" "run"
	expect 0 sem release
	assert_state 5 0 0 "all are given back at once"
	remove
}

# When release returns the unit is free, not a moment later. Looked at by one who need not be started first.
test_release_waits_for_the_unit() {
	expect 0 sem get --max 1
	expect 0 perl -e '
		my ($yardmaster, $key) = @ARGV;
		my $id = semget(hex($key), 0, 0);
		for (1 .. 30) {
			system($yardmaster, "sem", "acquire", $key) == 0 or die "acquire";
			system($yardmaster, "sem", "release", $key) == 0 or die "release";
			my $free = semctl($id, 0, 12, 0); # GETVAL
			$free == 1 or die "round $_: $free units are free";
		}' "$YARDMASTER" "$KEY"
	expect 0 sem rm
}

test_release_by_pid_and_owner() {
	local first
	acquire --max 3
	first=$HOLDER
	acquire
	# Another caller has nothing to release, unless it names the holder or the owner.
	expect 1 bash -c '"$0" sem release "$1"; exit' "$YARDMASTER" "$KEY"
	expect 0 bash -c '"$0" sem release "$1" "$2"; exit' "$YARDMASTER" "$KEY" "$first"
	wait_until 5 ended "$first"
	assert_state 2 1 0 "release by pid"
	expect 1 sem release "$first"
	assert_contains "process $first holds no unit" "$ERR" "ended holder"
	expect 1 sem release $$
	assert_contains "process $$ holds no unit" "$ERR" "no holder at all"
	expect 0 bash -c '"$0" sem release "$1" --for "$2"; exit' "$YARDMASTER" "$KEY" $$
	assert_state 3 0 0 "release by owner"
	# The key counts, too.
	acquire
	expect 0 "$YARDMASTER" sem get 0x5e4
	expect 1 "$YARDMASTER" sem release 0x5e4 "$HOLDER"
	expect 1 "$YARDMASTER" sem release 0x5e4
	expect 0 "$YARDMASTER" sem rm 0x5e4
	assert_state 2 1 0 "release of another key"
	remove
}

test_parallel_releases_give_back_one_each() {
	local i pids=()
	for ((i = 0; i < 6; i++)); do
		acquire --max 6
	done
	for ((i = 0; i < 6; i++)); do
		sem release --for $$ &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail "a release failed"
	done
	assert_state 6 0 0 "after all releases"
	expect 0 sem rm
}

test_timeout() { # sanitized
	local start
	acquire
	start=$(now_ms)
	expect 1 sem acquire --timeout 200ms
	(($(now_ms) - start >= 200)) || fail "acquire did not wait"
	assert_contains "in time" "$ERR" "acquire with a timeout"
	assert_state 0 1 0 "after the timeout"
	expect 1 sem run --timeout 10ms -- touch "$DIR/ran"
	expect 1 sem run --try -- touch "$DIR/ran"
	[[ ! -e $DIR/ran ]] || fail "the command ran without a unit"
	remove
}

test_waiter_gets_the_unit() {
	local waiter
	acquire
	sem acquire --for $$ >"$DIR/waiter" &
	waiter=$!
	wait_until 10 is 1 state waiting
	# Who waits holds nothing: the only unit to release is the first one.
	expect 0 sem release
	wait_until 5 ended "$HOLDER"
	wait "$waiter" || fail "the waiting acquire failed"
	assert_state 0 1 0 "handed over"
	expect 0 sem release "$(<"$DIR/waiter")"
	assert_state 1 0 0 "released"
	expect 0 sem rm
}

test_holder_is_killed() {
	acquire
	kill -KILL "$HOLDER"
	wait_until 5 is 1 state free
	assert_state 1 0 0 "after the death of the holder"
	expect 1 sem release
	expect 0 sem rm
}

test_stopped_holder_is_released() {
	acquire
	kill -STOP "$HOLDER"
	expect 0 sem release
	assert_state 1 0 0 "release of a stopped holder"
	expect 0 sem rm
}

# A script of its own that takes a unit and then waits until it is killed; OWNER is its pid.
start_owner() { # OPTIONS OF ACQUIRE...
	bash -c '"$0" sem acquire "${@:2}" >"$1/held" && exec sleep 60' "$YARDMASTER" "$DIR" "$KEY" "$@" &
	OWNER=$!
}

test_parent_dies() {
	start_owner --max 1
	wait_until 10 test -s "$DIR/held"
	assert_state 0 1 0 "held for the script"
	slay "$OWNER"
	wait_until 5 is 1 state free
	wait_until 5 ended "$(<"$DIR/held")"
	expect 0 sem rm
}

test_parent_dies_while_waiting() {
	acquire
	start_owner
	wait_until 10 is 1 state waiting
	slay "$OWNER"
	wait_until 5 is 0 state waiting
	assert_state 0 1 0 "only the first one is left"
	[[ ! -s $DIR/held ]] || fail "a pid was printed"
	remove
}

test_acquire_is_killed_while_waiting() {
	acquire
	"$YARDMASTER" sem acquire "$KEY" >"$DIR/held" &
	wait_until 10 is 1 state waiting
	slay $!
	wait_until 5 is 0 state waiting
	expect 0 sem release
	assert_state 1 0 0 "nobody took it"
	expect 0 sem rm
}

test_for_another_process() {
	sleep 60 &
	OWNER=$!
	acquire --for $OWNER
	expect 0 sem stat --json
	assert_contains "\"holders\": [{\"pid\": $HOLDER, \"for\": $OWNER, \"units\": 1}]" "$OUT" "stat"
	expect 1 sem release
	slay "$OWNER"
	wait_until 5 is 1 state free
	expect 2 sem acquire --for "$OWNER"
	assert_contains "there is no process $OWNER" "$ERR" "dead owner"
	expect 2 sem acquire --for 0
	expect 0 sem rm
}

# $(...) may run in a copy of the shell, which ends with it.
test_subshell_is_warned_of() {
	local pid
	pid=$(sem try 2>"$DIR/warning"; true)
	assert_contains "say --for \$\$" "$(<"$DIR/warning")" "try in a subshell"
	wait_until 5 ended "$pid"
	assert_state 1 0 0 "after the subshell"
	pid=$(sem try --for $$ 2>"$DIR/warning"; true)
	assert_equal "" "$(<"$DIR/warning")" "try in a subshell with --for"
	assert_state 0 1 0 "held for the script"
	expect 0 sem release
	# Whoever names the subshell means it.
	pid=$(sem try --for "$BASHPID" 2>"$DIR/warning"; true)
	assert_equal "" "$(<"$DIR/warning")" "try for the subshell itself"
	wait_until 5 ended "$pid"
	expect 0 sem rm
}

test_holder_is_detached() {
	local fd target fds=
	mkdir "$DIR/busy"
	(
		cd "$DIR/busy" && exec 7<"$DIR" && expect 0 sem acquire --for $$ && echo "$OUT" >"$DIR/held"
	) || exit 1
	HOLDER=$(<"$DIR/held")
	assert_equal / "$(readlink "/proc/$HOLDER/cwd")" "working directory of the holder"
	assert_equal "$HOLDER" "$(awk '{print $6}' "/proc/$HOLDER/stat")" "session of the holder"
	for fd in 0 1 2; do
		assert_equal /dev/null "$(readlink "/proc/$HOLDER/fd/$fd")" "descriptor $fd of the holder"
	done
	# Nothing else stays open but the pidfd of its owner.
	wait_until 5 eval '! readlink /proc/$HOLDER/fd/* | grep -q pipe'
	for target in /proc/"$HOLDER"/fd/*; do
		fds+="$(readlink "$target") "
	done
	assert_equal "/dev/null /dev/null /dev/null anon_inode:[pidfd] " "$fds" "descriptors of the holder"
	remove
	wait_until 5 ended "$HOLDER"
}

test_removed_under_holders_and_waiters() {
	local waiter
	acquire
	sem acquire --for $$ 2>"$DIR/error" &
	waiter=$!
	wait_until 10 is 1 state waiting
	remove
	wait_until 5 ended "$HOLDER"
	wait "$waiter"
	assert_equal 3 $? "acquire of a removed semaphore"
	assert_contains "removed" "$(<"$DIR/error")" "acquire of a removed semaphore"
	assert_equal 0 "$(ipc_objects)" "objects"
}

# ---- run ----------------------------------------------------------------------------------------------------------

test_run() { # sanitized
	expect 7 sem run --max 2 -- bash -c 'echo "$1-$2"; echo error >&2; exit 7' sh --max -3
	assert_equal "--max--3" "$OUT" "arguments and output of the command"
	assert_equal error "$ERR" "its stderr"
	assert_state 2 0 0 "afterwards"
	# Without "--", too, nothing behind the command is ours; and stdin is the command's.
	expect 0 sem run cat -n <<<"line"
	assert_contains "1" "$OUT" "cat -n"
	assert_contains "line" "$OUT" "stdin"
	expect 0 sem run --try bash -c '"$0" sem stat "$1"' "$YARDMASTER" "$KEY"
	assert_contains "1 free, 1 attached" "$OUT" "while it runs"
	PATH=/usr/bin:/bin expect 127 sem run -- no-such-command
	assert_contains 'execvp("no-such-command")' "$ERR" "no command"
	expect 126 sem run -- "$DIR"
	expect 2 sem run
	expect 2 sem run --
	assert_state 2 0 0 "after the mistakes"
	expect 0 sem rm
}

test_run_is_killed() {
	local pid
	"$YARDMASTER" sem run "$KEY" -- sleep 60 &
	pid=$!
	# It is the command itself, so that signals go to it.
	wait_until 10 eval '[[ $(<"/proc/$pid/comm") == sleep ]]'
	wait_until 10 is 0 state free
	kill -TERM "$pid"
	wait "$pid" 2>/dev/null
	assert_equal 143 $? "exit code after SIGTERM"
	assert_state 1 0 0 "after SIGTERM"
	"$YARDMASTER" sem run "$KEY" -- sleep 60 &
	pid=$!
	wait_until 10 eval '[[ $(<"/proc/$pid/comm") == sleep ]]'
	slay "$pid"
	assert_state 1 0 0 "after SIGKILL"
	expect 0 sem rm
}

# The command's own children are not counted.
test_run_leaves_a_child() {
	expect 0 sem run -- bash -c 'sleep 60 >/dev/null 2>&1 & echo $!'
	assert_state 1 0 0 "with a child in the background"
	kill -KILL "$OUT"
	expect 0 sem rm
}

test_run_under_contention() {
	local i pids=()
	mkdir "$DIR/inside"
	# Each counts who is inside with it; nobody leaves before three have been there at once.
	cat >"$DIR/work" <<-'EOF'
		cd "$1" || exit 1
		: >"inside/$$"
		n=$(find inside -type f | wc -l)
		echo "$n" >>counts
		((n < 3)) || : >three
		until [[ -e three ]]; do sleep 0.01; done
		rm "inside/$$"
	EOF
	for ((i = 0; i < 10; i++)); do
		(
			for ((round = 0; round < 3; round++)); do
				sem run --max 3 -- bash "$DIR/work" "$DIR" || exit
			done
		) &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail "a run failed"
	done
	assert_equal 30 "$(wc -l <"$DIR/counts")" "runs"
	assert_equal 3 "$(sort -n "$DIR/counts" | tail -n 1)" "most at once"
	assert_state 3 0 0 "afterwards"
	expect 0 sem rm
}

# ---- resize -------------------------------------------------------------------------------------------------------

test_resize() { # sanitized
	local waiter
	expect 1 sem resize +1
	acquire --max 2
	expect 0 sem resize +2
	assert_contains "3 free, 1 attached" "$OUT" "more"
	expect 0 sem resize -2
	assert_contains "1 free" "$OUT" "less"
	expect 1 sem resize -2 --timeout 10ms
	assert_contains "did not become free in time" "$ERR" "less than is free"
	sem resize -2 >"$DIR/resized" &
	waiter=$!
	wait_until 10 is 1 state waiting
	expect 0 sem release
	wait "$waiter" || fail "the waiting resize failed"
	assert_contains "0 free" "$(<"$DIR/resized")" "resized"
	expect 2 sem resize 3
	assert_contains "write +N" "$ERR" "no sign"
	expect 2 sem resize +40000
	expect 2 sem resize +x
	expect 0 sem rm
}

test_mistakes() { # sanitized
	expect 2 "$YARDMASTER" sem
	assert_contains "usage: yardmaster sem COMMAND" "$ERR" "no subcommand"
	expect 0 "$YARDMASTER" sem --help
	assert_contains "  acquire    take a unit" "$OUT" "list of subcommands"
	expect 0 "$YARDMASTER" sem run --help
	assert_contains "usage: yardmaster sem run KEY" "$OUT" "help of a subcommand"
	assert_contains "--timeout TIME" "$OUT" "help of a subcommand"
	expect 2 "$YARDMASTER" sem aquire 1
	assert_contains 'yardmaster sem: there is no command "aquire": did you mean "acquire"?' "$ERR" "unknown subcommand"
	expect 2 sem acquire --timout 1s
	assert_contains "unknown option --timout: did you mean --timeout?" "$ERR" "unknown option"
	assert_contains "usage: yardmaster sem acquire KEY" "$ERR" "unknown option"
	expect 2 sem get --max 40000
	assert_contains "--max: 40000 is not within 0..32767" "$ERR" "too many units"
	expect 2 sem get --max many
	expect 2 sem get --mode 800
	expect 2 sem get --mode 1777
	expect 2 sem acquire --timeout -1s
	assert_equal 0 "$(ipc_objects)" "objects"
}

# Options between KEY and CMD leave no trace in what CMD gets.
test_run_passes_exactly_its_arguments() { # sanitized
	expect 0 "$YARDMASTER" sem run 0x77 --max 5 --timeout 1s -- printf '[%s]' x y
	assert_equal "[x][y]" "$OUT" "arguments of CMD"
	expect 0 "$YARDMASTER" sem run 0x77 -- printf '[%s]' --max 3
	assert_equal "[--max][3]" "$OUT" "arguments of CMD that look like options"
	expect 0 "$YARDMASTER" sem rm 0x77
}

# Who cannot learn the holder's pid has no unit.
test_acquire_without_stdout() { # sanitized
	"$YARDMASTER" sem acquire 0x77 --for $$ >/dev/full 2>"$DIR/err"
	assert_equal 4 $? "exit code of acquire"
	assert_contains "the unit is given back" "$(<"$DIR/err")" "what acquire says"
	expect 0 "$YARDMASTER" sem stat 0x77
	assert_contains "1 free, 0 attached" "$OUT" "the semaphore"
	expect 0 "$YARDMASTER" sem rm 0x77
}
