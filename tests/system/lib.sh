# shellcheck shell=bash disable=SC2034 # CLIENT and others are for the tests
#
# lib.sh - what system tests are made of.
#
# Given by the runner: YARDMASTER (the program), PLUGINS (directory of the test plugins), BUILD, SOURCE (top of the
# tree), DIR (empty, for this test alone). The System V namespace and the process table are the test's own.

INI=$DIR/test.ini
LOG=$DIR/master.log
MASTER= # pid of the master, empty when there is none
CLIENT= # pid of the last client in the background

# ---- assertions -------------------------------------------------------------------------------------------------

fail() {
	local i
	printf 'failed: %s\n' "$*" >&2
	for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
		printf '   at %s:%s\n' "${BASH_SOURCE[i]##*/}" "${BASH_LINENO[i - 1]}" >&2
	done
	exit 1
}

assert_equal() { # EXPECTED ACTUAL WHAT
	[[ $1 == "$2" ]] || fail "$3: expected \"$1\", got \"$2\""
}

# Of two long lists only what differs is worth reading: "<" is missing, ">" too much.
assert_same_lines() { # EXPECTED ACTUAL WHAT
	[[ $1 == "$2" ]] || fail "$3: $(diff <(echo "$1") <(echo "$2") | grep '^[<>]' | head -20 | paste -sd ' ')"
}

assert_contains() { # PART TEXT WHAT
	[[ $2 == *"$1"* ]] || fail "$3: expected \"...$1...\", got \"$2\""
}

assert_lacks() { # PART TEXT WHAT
	[[ $2 != *"$1"* ]] || fail "$3: \"$1\" should not be in \"$2\""
}

assert_less() { # LIMIT ACTUAL WHAT
	(($2 < $1)) || fail "$3: expected less than $1, got $2"
}

assert_same_file() { # EXPECTED ACTUAL WHAT
	cmp -s "$1" "$2" || fail "$3: $(stat -c %s "$1") bytes expected, $(stat -c %s "$2") there: $(cmp "$1" "$2" 2>&1)"
}

assert_logged() { # PART
	grep -qF -e "$1" "$LOG" || fail "not in the log: \"$1\""
}

# Run a command, keep what it says in OUT and ERR, and insist on its exit code.
expect() { # CODE COMMAND...
	local code
	"${@:2}" >"$DIR/out" 2>"$DIR/err"
	code=$?
	OUT=$(tr -d '\0' <"$DIR/out")
	ERR=$(tr -d '\0' <"$DIR/err")
	((code == $1)) || fail "${*:2}: expected exit code $1, got $code; stdout \"$OUT\", stderr \"$ERR\""
}

# Leave the test: what it needs is not to be had here.
skip() { # REASON
	printf 'skipped: %s\n' "$*"
	exit 77
}

# ---- what the program says of itself -----------------------------------------------------------------------------

commands_in_help() { # [COMMAND]
	"$YARDMASTER" "$@" --help | sed -n 's/^  \([a-z]\+\)  *[^ ].*/\1/p' | grep -vx yardmaster
}

has_subcommands() { # COMMAND
	"$YARDMASTER" "$1" --help | head -n 1 | grep -q "^usage: yardmaster $1 COMMAND"
}

options_in_help() { # COMMAND...
	"$YARDMASTER" "$@" --help | grep -o -- '^  \(-.,\|   \) --[a-z-]*' | grep -o -- '--.*'
}

# Lines "SECTION OPTION"; the section "both" stands for pools and programs.
ini_options() {
	"$YARDMASTER" check --options | awk '
		/^\[.*both$/ {section = "both"; next}
		/^\[/ {section = substr($1, 2, length($1) - 2); next}
		/^  [^ ]/ {print section, $1}'
}

# ---- waiting ----------------------------------------------------------------------------------------------------

now_ms() {
	local now=${EPOCHREALTIME/./}
	echo $((now / 1000))
}

wait_until() { # SECONDS COMMAND...
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	until "${@:2}"; do
		((${EPOCHREALTIME/./} < end)) || fail "not within $1 s: ${*:2}"
		sleep 0.01
	done
}

logged() { # PART [TIMES]
	(($(grep -cF -e "$1" "$LOG") >= ${2:-1}))
}

has_line() { # FILE LINE
	grep -qxF -e "$2" "$1" 2>/dev/null
}

has_lines() { # FILE NUMBER
	[[ -e $1 ]] && (($(wc -l <"$1") >= $2))
}

ended() { # PID
	! grep -qs '^State:.[^ZX]' "/proc/$1/status"
}

is() { # EXPECTED COMMAND...
	[[ $("${@:2}") == "$1" ]]
}

# ---- the instance ------------------------------------------------------------------------------------------------

# The pools come from stdin; arguments are lines for [yardmaster].
write_ini() {
	{
		printf '[yardmaster]\ninstance = test\ndirectory = %s/run\n' "$DIR"
		(($# == 0)) || printf '%s\n' "$@"
		cat
	} >"$INI"
}

ym() { # COMMAND ARGUMENTS...
	local command=("$1")
	# A command of two words.
	[[ $1 != ipc && $1 != store && ($1 != jobs || ${2:--} == -*) ]] || command+=("$2")
	"$YARDMASTER" "${command[@]}" -c "$INI" "${@:${#command[@]}+1}"
}

# The same in the background, with the redirections of the call; CLIENT is its pid.
ym_background() { # COMMAND ARGUMENTS...
	"$YARDMASTER" "$1" -c "$INI" "${@:2}" <&0 &
	CLIENT=$!
}

up_or_ended() {
	ended "$MASTER" || logged "is up (pid $MASTER,"
}

launch_master() {
	"$YARDMASTER" run "$INI" >>"$LOG" 2>&1 &
	MASTER=$!
}

start_master() {
	launch_master
	wait_until 10 up_or_ended
	# Exit code 1: its pools are only starting.
	assert_contains "master pid $MASTER," "$(ym status 2>&1)" "status of the new master"
}

# What the master exits with when it ends by itself.
assert_master_exits() { # CODE
	wait "$MASTER"
	assert_equal "$1" $? "exit code of the master"
	MASTER=
}

stop_master() { # STOP'S OPTIONS...
	expect 0 ym stop --timeout 20s "$@"
	assert_master_exits 0
}

# Kill processes at once and without a chance; those that are children of the test are reaped quietly.
slay() { # PID...
	kill -KILL "$@" || fail "cannot kill $*"
	wait "$@" 2>/dev/null
	local pid
	for pid in "$@"; do
		wait_until 5 ended "$pid"
		[[ $pid != "$MASTER" ]] || MASTER=
	done
}

worker_pids() { # POOL
	ym status | awk -v pool="$1" '$1 == "ROW" {on = 1} on && $3 == pool && $4 !~ /^(ended|killed)$/ {print $2}'
}

guardian_pid() {
	ym ipc ls | awk '$1 == "guardian" {print $3}'
}

# A number from the tables of `status`: pool or limit, name of the column.
cell() { # ROW COLUMN
	ym status | awk -v row="$1" -v column="$2" '
		$1 == "POOL" || $1 == "LIMIT" {at = 0; for (i = 1; i <= NF; i++) if ($i == column) at = i}
		!NF {at = 0}
		at && $1 == row {print $at}'
}

job_field() { # ID FIELD
	ym jobs --json | sed -n "s/^{\"id\": $1, .*\"$2\": \"\\{0,1\\}\\([^\",}]*\\).*/\\1/p"
}

job_state() { # ID
	job_field "$1" state
}

jobs_in_state() { # STATE
	ym jobs --state "$1" --json | wc -l
}

# Submit without waiting; the id is in JOB.
submit() { # POOL PAYLOAD OPTIONS...
	expect 0 ym submit "$@"
	JOB=$OUT
	[[ $JOB =~ ^[0-9]+$ ]] || fail "submit $*: expected an id, got \"$JOB\""
}

ipc_objects() {
	cat /proc/sysvipc/{msg,sem,shm} | grep -cv key
}

backlogs() {
	find "$DIR/run" -name 'backlog-*' | wc -l
}

client_is_in() {
	ym ipc ls | grep -q 'client .*alive'
}

# No client is inside, and the slots of those that were killed have been cleared up.
nobody_is_left() {
	! ym ipc ls | grep -Eq 'DEAD|client'
}
