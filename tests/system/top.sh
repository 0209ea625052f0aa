# shellcheck shell=bash
# top.sh - the live screen, in a terminal of tmux: what is typed, and what is seen then.

# A terminal of so many columns and lines in which a shell runs a command; the environment is that of the test and what is given.
start_terminal() { # COLUMNS LINES COMMAND [NAME=VALUE...]
	[[ -n $(command -v tmux) ]] || skip "no tmux here"
	# A server of its own: the one before may not have ended yet.
	TMUX_TERMINAL=(tmux -S "$(mktemp -u "$DIR/tmux.XXXXXX")" -f /dev/null)
	rm -f "$DIR/before" "$DIR/code" "$DIR/after"
	env -u TMUX LC_ALL=C.UTF-8 TERM=xterm-256color SHELL=/bin/sh "${TMUX_TERMINAL[@]}" new-session -d -x "$1" -y "$2" \
		"stty -g >'$DIR/before'; env ${*:4} $3; echo \"code \$?\" >'$DIR/code'; stty -g >'$DIR/after'; exec cat" ||
		fail "tmux does not start"
}

end_terminal() {
	"${TMUX_TERMINAL[@]}" kill-server
}

start_top() { # COLUMNS LINES [OPTIONS OF TOP [NAME=VALUE...]]
	start_terminal "$1" "$2" "'$YARDMASTER' top -c '$INI' ${3-}" "LC_ALL=C.UTF-8" "${@:4}"
}

press() { # KEYS...
	"${TMUX_TERMINAL[@]}" send-keys "$@"
}

screen() {
	"${TMUX_TERMINAL[@]}" capture-pane -p
}

# How many lines have a sequence on them: of digits, as for colours and the like.
lines_with() { # PATTERN
	"${TMUX_TERMINAL[@]}" capture-pane -p -e | grep -cE $'\e'"\\[([0-9;]*;)?$1[;m]"
}

shows() { # PATTERN
	screen | grep -qE -e "$1"
}

lacks() { # PATTERN
	! shows "$1"
}

await_screen() { # PATTERN
	local end=$((${EPOCHREALTIME/./} + 10000000))
	until shows "$1"; do
		((${EPOCHREALTIME/./} < end)) || fail "not on the screen within 10 s: $1; there is:"$'\n'"$(screen)"
		sleep 0.02
	done
}

await_gone() { # PATTERN
	wait_until 10 lacks "$1"
}

# The line that begins with this word.
line_of() { # WORD
	screen | grep -E -m 1 -e "^ *$1 "
}

# It has ended with this code, and the terminal is as it was.
assert_ends() { # CODE
	wait_until 10 test -s "$DIR/after"
	assert_equal "code $1" "$(<"$DIR/code")" "how top ended"
	assert_same_file "$DIR/before" "$DIR/after" "the terminal"
	end_terminal
}

# Pools of which one works, one waits for a limit, and one is paused.
some_pools() {
	write_ini <<-EOF
		[limit:one]
		max = 1

		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		workers = 2

		[pool:scarce]
		plugin = $PLUGINS/sleep.so
		workers = 2
		limits = one

		[pool:crash]
		plugin = $PLUGINS/crash.so
		workers = 1
		attempts = 1

		[program:clock]
		command = sleep 1000
	EOF
	start_master
}

test_views() {
	local long
	some_pools
	submit sleep 60000 --tag wide-日本語
	long=$JOB
	submit scarce 60000 --tag first
	submit scarce 60000 --tag second
	submit crash segv --tag black-box
	wait_until 10 is failed job_state "$JOB"
	start_top 160 30
	await_screen '^ test  running .* master '"$MASTER"',.*load'
	await_screen '^ workers 5/5 .*waiting 1 .*running 2 .*crashes 1'
	await_screen '^scarce +2/2 +1 +1 +1 .*waits for limit one'
	await_screen '^crash +1/1 +0 +0 '
	press 2
	await_screen '^ +[0-9]+ +[0-9]+ +sleep +busy +'"$long"' +wide-日本語 +1/[0-9]+ .*%.*/60000 ms .*[0-9][KM] +attempt 1'
	await_screen 'held .*for limit one'
	press 3
	await_screen "^ +$long +running +sleep +wide-日本語 .*/60000 ms"
	await_screen '^ +[0-9]+ +waiting +scarce +second .*waits for limit one'
	await_screen '^ +[0-9]+ +failed +crash +black-box .*42%'
	press 4
	await_screen '^clock +clock +RUNNING +[0-9]+'
	press 5
	await_screen '^one +1 +1 +(█)+ +- +1 +0x[0-9a-f]+ +scarce'
	press 6
	await_screen '^[0-9:]{8} +[0-9]+s +crash +[0-9]+ +[0-9]+ +black-box +1/1 +42% +3/7 +about to segv +worker'
	press 1
	await_screen '^crash .*1/1'
	press q
	assert_ends 0
	expect 0 ym cancel --all
	stop_master
}

# The columns are of the last minute; all about a pool has the rest, too.
test_times_of_the_last_minute() {
	some_pools
	expect 0 ym submit sleep 200 --wait
	start_top 200 40
	await_screen '^sleep .* [0-9.]+[mu]?s/[0-9.]+[mu]?s +[2-9][0-9][0-9]ms/[2-9][0-9][0-9]ms'
	"$BUILD/tests/past_minute" "$DIR/run" || fail "the board cannot be written to"
	await_screen '^sleep .* -  +-( |$)'
	press End Enter
	await_screen 'ran +last minute +0 +- +- +- +- +-$'
	await_screen 'waited +last hour +1 +[0-9]'
	await_screen 'ran +in all +1 +[2-9][0-9][0-9]ms'
	expect 0 ym submit sleep 1 --wait
	await_screen 'ran +last minute +1 +[0-9.]+[mu]s'
	await_screen 'ran +in all +2 +[1-9][0-9][0-9]ms'
	press Escape
	press q
	assert_ends 0
	stop_master
}

# The job under the cursor of a sorted, filtered list, and all about it.
test_sort_filter_details() { # sanitized
	some_pools
	expect 0 ym submit sleep - --lines --delay 1h --tag b < <(printf '%s\n' 1 2 3)
	expect 0 ym submit scarce - --lines --delay 1h --tag a < <(printf '%s\n' 1 2)
	start_top 120 30 "--view jobs"
	await_screen '1/5$'
	# By state at first: delayed ones by their number.
	assert_contains "STATE▴" "$(screen)" "sorted by"
	press '>' '>'
	await_screen 'TAG▴'
	await_screen 'TAG▴|1/5'
	wait_until 10 is a third_column
	press r
	await_screen 'TAG▾'
	wait_until 10 is b third_column
	press /
	press pool:scar
	await_gone '^ +[0-9]+ +delayed +sleep'
	await_screen '^ +[0-9]+ +delayed +scarce'
	press Enter
	await_screen '2 of 5: pool:scar'
	press / C-u nonsense
	await_screen 'nothing fits the filter "nonsense"'
	press Escape
	await_screen '^ +[0-9]+ +delayed +sleep'
	press / scarce Enter
	await_gone '^ +[0-9]+ +delayed +sleep'
	press Enter
	await_screen '^ Job [0-9]+$'
	await_screen '^ job [0-9]+: delayed'
	await_screen '^   pool +scarce'
	press Escape
	await_screen '2 of 5: scarce'
	press Escape '?'
	await_screen '^   q +end'
	press q
	await_gone '^   q +end'
	press q
	assert_ends 0
	expect 0 ym cancel --all
	stop_master
}

third_column() {
	screen | awk '$2 == "delayed" {print $4; exit}'
}

# Nothing is done without a yes; what is done, and what goes wrong, is said in the last line.
test_orders() { # sanitized
	local id
	some_pools
	submit sleep 60000 --tag victim
	id=$JOB
	wait_until 10 is running job_state "$id"
	start_top 140 24
	await_screen '^sleep +2/2'
	# The cursor stays with its pool when the order changes.
	press j r
	await_screen 'POOL▾'
	press +
	await_screen '^ Scale pool scarce from 2 to 3 workers'
	press n r
	await_screen 'POOL▴'
	press +
	await_screen '^ Scale pool scarce from 2 to 3 workers'
	press n
	await_gone 'Scale pool'
	press G +
	await_screen '^ Scale pool sleep from 2 to 3 workers\? \[y/N\]'
	press n
	await_gone 'Scale pool'
	assert_contains " 2/2 " "$(line_of sleep)" "after a no"
	press +
	await_screen 'Scale pool sleep from 2 to 3'
	press y
	await_screen '^sleep +3/3'
	press s
	await_screen 'Workers of pool sleep'
	press many Enter
	await_screen '^ many is no number of workers'
	assert_contains " 3/3 " "$(line_of sleep)" "after nonsense"
	press p
	await_screen 'Pause pool sleep'
	press y
	await_screen '^sleep .*paused'
	press p y
	wait_until 10 lacks '^sleep .*paused'
	press 3
	await_screen "^ +$id +running"
	press c
	await_screen "Cancel job $id\? \[y/N\]"
	press Enter
	await_gone 'Cancel job'
	assert_equal running "$(job_state "$id")" "after no answer"
	press c y
	await_screen "^ +$id +cancelled"
	press t y
	await_screen "^ +$id +running"
	press b y
	await_screen "^ job $id is running: only jobs that wait can be buried"
	# It ends although the master, and so every answer, is standing still.
	kill -STOP "$MASTER"
	press 1 G - y
	await_screen '^ scale sleep 2 \.\.\.'
	press 2
	await_screen '^ROW|^ ROW'
	press q
	assert_ends 0
	kill -CONT "$MASTER"
	expect 0 ym cancel --all
	stop_master
}

# The board lives on without a master; the whole instance goes, and comes back.
test_master_down() { # sanitized
	local pid
	some_pools
	submit sleep 60000 --tag goes-on
	wait_until 10 is running job_state "$JOB"
	start_top 100 24 "--view workers"
	await_screen '^ test  running'
	slay "$MASTER"
	await_screen 'MASTER DOWN since [0-9:]{8} .*the board is live, workers go on'
	pid=$(ym status | awk -v job="$JOB" '$1 == "ROW" {on = 1} on && $5 == job {print $2}')
	await_screen 'busy +'"$JOB"' '
	kill -KILL "$pid"
	await_screen "killed +$JOB "
	start_master
	await_gone 'MASTER DOWN'
	await_screen '^ test  running'
	expect 0 ym cancel --all
	stop_master
	await_screen '^ +Instance test is not there since'
	press x + c Enter
	start_master
	await_screen '^ test  running'
	await_screen 'idle'
	press q
	assert_ends 0
	stop_master
}

fits() { # COLUMNS
	! screen | awk -v most="$1" '{gsub(/[^ -~]/, "x"); if (length($0) > most) exit 1}' || return 0
	return 1
}

test_sizes() { # sanitized
	some_pools
	submit sleep 60000 --tag resized
	start_top 160 40 "--view workers"
	await_screen 'RATE/s .*CPU .*MEM'
	"${TMUX_TERMINAL[@]}" resize-window -x 80 -y 24
	await_gone ' MEM'
	await_screen '^ workers 5/5'
	await_screen '^sleep +busy +'"$JOB"' +resized .*%'
	await_screen 'q quit|Enter details'
	"${TMUX_TERMINAL[@]}" resize-window -x 40 -y 8
	await_screen '^POOL +STATE'
	"${TMUX_TERMINAL[@]}" resize-window -x 39 -y 8
	await_screen 'too small'
	await_screen '40x8 at least'
	"${TMUX_TERMINAL[@]}" resize-window -x 200 -y 50
	await_screen 'RATE/s .*CPU .*MEM'
	press q
	assert_ends 0
	expect 0 ym cancel --all
	stop_master
}

# What `status` says to be wrong stands above the list; how to get help and out of here below it, also of a small screen.
test_problem() {
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
		[program:broken]
		command = sh -c 'exit 7'
		startretries = 0
	EOF
	start_master
	submit sleep 60000
	wait_until 10 is running job_state "$JOB"
	start_top 80 24 "--view workers"
	await_screen '^ program broken is FATAL: exited with code 7'
	await_screen '^sleep +busy'
	await_screen 'p pause +\? help  q quit'
	press q
	assert_ends 0
	start_top 40 8 "--view workers"
	await_screen '^ Enter details .*\? help  q quit'
	press q
	assert_ends 0
	write_ini <<-EOF
		[pool:sleep]
		plugin = $PLUGINS/sleep.so
	EOF
	start_top 80 24
	await_screen '^ program broken is FATAL'
	expect 0 ym reload
	await_gone 'broken'
	press q
	assert_ends 0
	expect 0 ym cancel --all
	stop_master
}

heads_of_watch() {
	screen | grep -c '^0 of 1 done'
}

# A line of `watch` that is longer than the terminal would become two, and no longer be written over.
test_wide_watch() {
	write_ini <<-EOF
		[pool:wide]
		command = sh -c 'echo "progress 1/9 $(printf '漢字%.0s' {1..30})" >&3; sleep 60'
	EOF
	start_master
	submit wide "" --tag 日本語日本語日本語日本語
	start_terminal 80 24 "'$YARDMASTER' watch -c '$INI'" LC_ALL=C.UTF-8
	await_screen "^#$JOB 日本語日本語日本 +\\[█.* 1/9 +漢字"
	# It is drawn ten times a second.
	for _ in {1..10}; do
		assert_equal 1 "$(heads_of_watch)" "heads of watch on the screen"
		sleep 0.05
	done
	expect 0 ym cancel --all
	await_screen "cancelled"
	end_terminal
	stop_master
}

# By the locale, and by what the terminal can.
test_plain_terminals() { # sanitized
	some_pools
	submit sleep 60000 --tag wide-日本語
	wait_until 10 is running job_state "$JOB"
	start_top 150 24 "--view workers" LC_ALL=C
	await_screen "busy +$JOB +wide-\?\?\? .*----"
	assert_lacks "·" "$(screen)" "the screen in ASCII"
	press q
	assert_ends 0

	start_top 150 24 "--view workers"
	await_screen "busy +$JOB +wide-日本語 .*···"
	(($(lines_with '3[1-7]') > 0)) || fail "no colours on a screen that has them"
	press q
	assert_ends 0

	start_top 150 24 "--view workers" NO_COLOR=1
	await_screen "busy +$JOB "
	assert_equal 0 "$(lines_with '3[1-7]')" "lines with colours in spite of NO_COLOR"
	press q
	assert_ends 0

	start_top 150 24 "--view workers" TERM=vt100
	await_screen "busy +$JOB "
	assert_equal 0 "$(lines_with '3[1-7]')" "lines with colours on a vt100"
	(($(lines_with 7) > 1)) || fail "no cursor on a vt100"
	press q
	assert_ends 0

	ym_background top --delay 100ms >"$DIR/plain" 2>"$DIR/err"
	wait_until 10 has_tables 3
	kill -TERM "$CLIENT"
	wait "$CLIENT"
	assert_equal 143 $? "exit code of top without a terminal"
	assert_contains "top needs a terminal: a table every 0.1 s" "$(<"$DIR/err")" "no terminal"
	assert_lacks $'\033' "$(<"$DIR/plain")" "no terminal"
	start_top 120 24 "2>'$DIR/err'" TERM=dumb
	await_screen "^POOL  *WORKERS"
	assert_contains "cannot move its cursor" "$(<"$DIR/err")" "a dumb terminal"
	kill -TERM "$(top_pid)"
	assert_ends 143
	expect 0 ym cancel --all
	stop_master
	expect 3 ym top
}

has_tables() { # NUMBER
	(($(grep -c '^POOL  *WORKERS' "$DIR/plain") >= $1))
}

# The process of `top` in its terminal.
top_pid() {
	pgrep -f "^$YARDMASTER top"
}

test_ends() {
	local signal pid
	some_pools
	for signal in TERM INT HUP; do
		start_top 100 24
		await_screen '^sleep '
		pid=$(top_pid)
		kill "-$signal" "$pid"
		assert_ends $((128 + $(kill -l "$signal")))
	done
	# Control-Z gives the terminal back, `fg` goes on.
	start_terminal 100 24 "sh -i" PS1=prompt:
	await_screen '^prompt:'
	press "LC_ALL=C.UTF-8 '$YARDMASTER' top -c '$INI'" Enter
	await_screen '^sleep '
	press C-z
	await_screen '^prompt:$'
	press fg Enter
	await_screen '^sleep '
	await_screen '^ test  running'
	press q
	await_screen '^prompt:$'
	end_terminal
	stop_master
}
