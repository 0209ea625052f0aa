#!/bin/bash
# run.sh BUILD [full] - check the models with spin; the last line counts the runs.
#
# Each line of the table is one run: the model, what it is expected to give, and the switches (README.md). `full` runs
# the large ones as well: they need some twenty minutes and a few GB of memory. Everything is made below BUILD/models.
set -u
export LC_ALL=C

(($# == 1)) || { (($# == 2)) && [[ $2 == full ]]; } || {
	echo "usage: tests/models/run.sh BUILD [full]" >&2
	exit 2
}
type -P spin >/dev/null || {
	echo "spin is missing: apt-get install spin (the package is called spin in Debian)"
	exit 77
}
mkdir -p "$1/models" || exit 1
OUT=$(realpath "$1/models") full=${2-}
HERE=$(realpath "$(dirname "${BASH_SOURCE[0]}")")

# What it costs to translate pan.c with more than -O0 only pays for large runs.
SMALL_CC=(gcc -O0) SMALL_SECONDS=60 SMALL_MB=1500 SMALL_DEPTH=100000
FULL_CC=(gcc -O2) FULL_SECONDS=3600 FULL_MB=9000 FULL_DEPTH=5000000

# SIZE MODEL EXPECTED SWITCHES
# EXPECTED: holds (safety), live (liveness); or the error that a broken variant must give: assertion, stuck (an end that
# is none), cycle (a job that is never done).
table() {
	cat <<-'EOF'
		small lifecycle holds N=2 MAXKILL=2
		small lifecycle holds N=2 MAXKILL=1 MAXFAIL=1
		small lifecycle holds N=2 MAXKILL=1 CAP=2
		small lifecycle holds N=3 MAXKILL=0 CAP=2
		small lifecycle holds N=1 MAXKILL=2 GUARDS=1
		small lifecycle holds N=2 MAXKILL=0 PHPS=1
		small lifecycle holds N=2 MAXKILL=0 CAP=2 IPCRM
		small lifecycle holds N=2 GUESTS=1 MAXKILL=2
		small lifecycle holds N=2 GUESTS=1 MAXKILL=1 CAP=2
		small lifecycle holds N=2 GUESTS=1 MAXKILL=0 CAP=2 IPCRM
		small lifecycle assertion N=2 GUESTS=1 MAXKILL=0 BUG_GUEST_REMOVES
		small lifecycle assertion N=2 MAXKILL=0 BUG_LEAVE
		small lifecycle assertion N=2 MAXKILL=0 BUG_NO_LOCK
		small lifecycle assertion N=2 MAXKILL=0 BUG_QUICK_ALONE
		small lifecycle assertion N=2 MAXKILL=1 BUG_READY_EARLY
		small lifecycle assertion N=2 MAXKILL=1 BUG_NOT_ANNOUNCED
		small lifecycle assertion N=2 MAXKILL=1 BUG_MARK_FIRST
		small lifecycle assertion N=2 MAXKILL=1 CAP=2 BUG_REUSE
		small lifecycle assertion N=3 MAXKILL=2 CAP=2 BUG_WORK_INHERITED
		small lifecycle assertion N=3 MAXKILL=0 CAP=2 BUG_BACK_OUT
		small lifecycle assertion N=2 MAXKILL=2 GUARDS=1 BUG_OLD_REGISTRY
		small lifecycle stuck N=2 MAXKILL=1 GUARDS=1 BUG_WAIT_GUARD
		small lifecycle assertion N=1 MAXKILL=0 PHPS=1 BUG_PHP_IN_USE
		small lifecycle assertion N=1 MAXKILL=0 PHPS=1 BUG_NO_VALUE
		small lifecycle assertion N=2 MAXKILL=0 IPCRM BUG_NO_WAIT
		small lifecycle assertion N=2 MAXKILL=0 IPCRM BUG_GONE_IS_NEW
		small lifecycle assertion N=3 MAXKILL=0 IPCRM BUG_LAZY
		small lifecycle assertion N=2 MAXKILL=0 CAP=2 IPCRM BUG_LATE
		small dispatch holds WORKERS=1 MAXKILL=1
		small dispatch holds WORKERS=1 MAXKILL=0 MOODS=1 CANCELS=1
		small dispatch holds WORKERS=1 MAXKILL=0 TIMEOUTS=1 TTL=1
		small dispatch holds WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 POOLS=2 CANCELS=1
		small dispatch holds WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 TOGETHER SIGNALS=1
		small dispatch holds WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 TOGETHER SIGNED
		small dispatch holds WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 TOGETHER BATCH
		small dispatch holds WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 TOGETHER PAUSES=1
		small dispatch live WORKERS=1 MAXKILL=1
		small dispatch assertion WORKERS=1 MAXKILL=0 TIMEOUTS=1 BUG_NO_FENCE
		small dispatch assertion WORKERS=2 MAXKILL=0 TIMEOUTS=1 BUG_SETTLE_EARLY
		small dispatch assertion WORKERS=1 MAXKILL=0 TIMEOUTS=1 BUG_MOVE_DEADLINE
		small dispatch assertion WORKERS=1 MAXKILL=0 CANCELS=1 TTL=1 BUG_CANCEL_FILLING
		small dispatch assertion WORKERS=1 MAXKILL=1 BUG_ASK_LATE
		small dispatch assertion WORKERS=1 MAXKILL=1 BUG_NO_DIRTY
		small dispatch assertion WORKERS=1 MAXKILL=1 BUG_NO_REBUILD
		small dispatch assertion WORKERS=1 MAXKILL=1 BUG_LOCK_AGAIN
		small dispatch assertion WORKERS=1 MAXKILL=1 BUG_BURY_FIRST
		small dispatch assertion WORKERS=1 MAXKILL=0 BUG_BREAK_STOPPED
		small dispatch stuck WORKERS=1 MAXKILL=2 BUG_LOCK_INHERITED
		small dispatch assertion WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 POOLS=2 CANCELS=1 BUG_ANY_POOL
		small dispatch stuck WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 TOGETHER BUG_COUNT_LATE
		small dispatch stuck WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 TOGETHER BUG_BACK_TWICE
		small dispatch stuck WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 TOGETHER BUG_SMALL_QUEUE
		small dispatch stuck WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 TOGETHER PAUSES=1 BUG_RESUME_ASLEEP
		small dispatch stuck WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 RETIRES=1 BUG_TOKEN_KEPT
		small dispatch cycle WORKERS=1 MAXKILL=1 BUG_NO_WAKE
		small dispatch cycle WORKERS=1 MAXKILL=1 BUG_NO_RELINK
		small unique holds SUBMITS=1
		full unique holds SUBMITS=2
		small unique assertion BUG_READY_OUTSIDE
		small unique assertion BUG_FILLING_LIVE
		small unique assertion BUG_BURIED_OVER
		small unique assertion BUG_CHAIN_READY
		small unique assertion BUG_ID_LATE
		small unique assertion KEYS=2 BUG_FILL_LINKED
		small limits holds MAXKILL=1
		small limits holds MAXKILL=0 POOLS=2
		small limits holds MAXKILL=0 RETIRES=1
		full limits live MAXKILL=0
		small limits stuck MAXKILL=0 POOLS=2 BUG_ORDER
		small limits stuck MAXKILL=1 BUG_NO_UNDO
		small limits stuck MAXKILL=0 RETIRES=1 BUG_TOKEN_KEPT
		small limits assertion MAXKILL=0 BUG_UNITS_KEPT
		small limits assertion MAXKILL=0 PAUSES=1 BUG_PAUSED_BEFORE
		small store holds SLOTS=1 MAXKILL=1 EVICTS=1
		small store holds SLOTS=1 MAXKILL=1 FAILS=1
		small store holds SLOTS=1 MAXKILL=1 MASTERS=1
		small store holds SLOTS=1 MAXKILL=0 RESETS=1
		small store holds SLOTS=2 MAXKILL=0
		small store live SLOTS=1 MAXKILL=1 PROMPT
		small store assertion SLOTS=1 BUG_TAKE_BACK
		small store assertion SLOTS=1 BUG_NOT_TAKEN
		small store assertion SLOTS=1 BUG_ANSWERED_DEAD
		small store assertion SLOTS=1 MASTERS=1 BUG_CLERK_FIRST
		small store assertion SLOTS=1 BUG_NO_RECOVER
		small store assertion SLOTS=2 BUG_RECOVER_ALL
		small store assertion SLOTS=1 BUG_AGAIN_HELD
		small store assertion SLOTS=2 BUG_ADOPT_LATE
		small store assertion SLOTS=1 FAILS=1 BUG_REFUSE_STORED
		small store cycle SLOTS=1 PROMPT BUG_NO_MARK
		full lifecycle holds N=3 MAXKILL=3
		full lifecycle holds N=3 MAXKILL=2 MAXFAIL=1
		full lifecycle holds N=3 MAXKILL=2 CAP=2
		full lifecycle holds N=2 MAXKILL=3 CAP=1
		full lifecycle holds N=2 MAXKILL=3 GUARDS=1
		full lifecycle holds N=2 MAXKILL=1 GUARDS=1 MAXFAIL=1
		full lifecycle holds N=1 MAXKILL=3 GUARDS=2
		full lifecycle holds N=3 GUESTS=2 MAXKILL=2
		full lifecycle holds N=3 GUESTS=1 MAXKILL=2 CAP=2
		full lifecycle holds N=2 GUESTS=1 MAXKILL=3 GUARDS=1
		full lifecycle holds N=2 MAXKILL=3 PHPS=1
		full lifecycle holds N=3 MAXKILL=1 PHPS=1
		full lifecycle holds N=1 MAXKILL=2 PHPS=1 GUARDS=1
		full lifecycle holds N=2 MAXKILL=2 CAP=2 IPCRM
		full lifecycle holds N=2 MAXKILL=1 GUARDS=1 IPCRM
		full lifecycle holds N=2 MAXKILL=1 PHPS=1 IPCRM
		full dispatch holds WORKERS=2 MAXKILL=1
		full dispatch holds WORKERS=1 MAXKILL=2
		full dispatch holds WORKERS=1 MAXKILL=1 JOBS=2 SIGNALS=1
		full dispatch holds WORKERS=1 MAXKILL=1 JOBS=2 SLOTS=2
		full dispatch holds WORKERS=1 MAXKILL=1 PAUSES=1
		full dispatch holds WORKERS=1 MAXKILL=1 KICKS=1
		full dispatch holds WORKERS=1 MAXKILL=1 TIMEOUTS=1
		full dispatch holds WORKERS=1 MAXKILL=1 CANCELS=1 MOODS=1
		full dispatch holds WORKERS=1 MAXKILL=1 JOBS=2 CANCELS=1 POOLS=2
		full dispatch holds WORKERS=2 MAXKILL=0 TIMEOUTS=1
		full dispatch holds WORKERS=2 MAXKILL=0 CANCELS=1 MOODS=1
		full dispatch holds WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 MOODS=2
		full dispatch holds WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 RETIRES=1 SIGNALS=1
		full dispatch holds WORKERS=2 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 POOLS=2 CANCELS=1
		full dispatch holds WORKERS=2 MAXKILL=0 NO_MASTER JOBS=3 SLOTS=2 SIGNED SIGNALS=1
		full dispatch holds WORKERS=3 MAXKILL=0 NO_MASTER JOBS=2 SLOTS=2 TOGETHER
		full dispatch live WORKERS=1 MAXKILL=1 SIGNED SIGNALS=1
		full dispatch live WORKERS=1 MAXKILL=1 PAUSES=1
		full dispatch live WORKERS=1 MAXKILL=1 JOBS=2 CANCELS=1 POOLS=2
		full dispatch live WORKERS=2 MAXKILL=0
		full dispatch live WORKERS=1 MAXKILL=0 TIMEOUTS=1 MOODS=1
		full dispatch assertion WORKERS=2 MAXKILL=1 TIMEOUTS=1 ONLY_MASTER BUG_STATE_ONLY
		full dispatch cycle WORKERS=1 MAXKILL=1 JOBS=2 CANCELS=1 POOLS=2 BUG_WRONG_LIST
		full unique holds SUBMITS=2 MAXKILL=2
		full unique holds SUBMITS=2 KEYS=2
		full unique holds SUBMITS=2 SLOTS=3
		full store holds SLOTS=2 MAXKILL=1 EVICTS=1
		full store holds SLOTS=2 MAXKILL=1 FAILS=1
		full store holds SLOTS=2 MAXKILL=1 RESETS=1
		full store holds SLOTS=1 MAXKILL=2 EVICTS=1
		full store holds SLOTS=1 MAXKILL=2 RESETS=1 FAILS=1
		full store holds SLOTS=1 MAXKILL=1 JOBS=2 EVICTS=1
		full store holds SLOTS=1 MAXKILL=1 SUBMITTERS=2
		full store live SLOTS=1 MAXKILL=1 RESETS=1 PROMPT
		full store live SLOTS=1 MAXKILL=2 PROMPT
		full limits holds MAXKILL=2
		full limits holds MAXKILL=1 POOLS=2
		full limits holds MAXKILL=0 RETIRES=1 PAUSES=1
		full limits live MAXKILL=1
		full limits live MAXKILL=1 POOLS=2
	EOF
}

declare -A SAYS=([assertion]="assertion violated" [stuck]="invalid end state" [cycle]="acceptance cycle")

# What pan has found: holds, one of the words of SAYS, or what went wrong with the run itself.
verdict() { # FILE
	local word
	for word in "${!SAYS[@]}"; do
		! grep -q "^pan:1: ${SAYS[$word]}" "$1" || {
			echo "$word"
			return
		}
	done
	if grep -q "^error: max search depth" "$1"; then
		echo "search too deep"
	elif grep -q "errors: 0$" "$1" && ! grep -q "Search not completed" "$1"; then
		echo holds
	else
		echo "no end: $(tail -n 1 "$1")"
	fi
}

# Translate and run; what pan says goes to the file pan.out.
run_pan() { # SIZE MODEL EXPECTED SWITCH...
	local cc mb seconds depth define=() how=(-DSAFETY -DNOCLAIM) options=(-n) switch
	cc=("${SMALL_CC[@]}") mb=$SMALL_MB seconds=$SMALL_SECONDS depth=$SMALL_DEPTH
	[[ $1 == small ]] || cc=("${FULL_CC[@]}") mb=$FULL_MB seconds=$FULL_SECONDS depth=$FULL_DEPTH
	[[ $3 != live && $3 != cycle ]] || how=(-DNFAIR=3) options+=(-a -f)
	for switch in "${@:4}"; do
		define+=("-D$switch")
	done
	cp "$HERE/$2.pml" . || return 1
	spin "${define[@]}" -a "$2.pml" >spin.out 2>&1
	[[ -s pan.c ]] || {
		cat spin.out
		return 1
	}
	"${cc[@]}" -w "${how[@]}" -DCOLLAPSE -DVECTORSZ=1024 -DMEMLIM="$mb" -o pan pan.c || return 1
	timeout "$seconds" ./pan -m"$depth" "${options[@]}" >pan.out 2>&1
}

passed=0 failed=0
while read -r size model expected switches; do
	[[ $size == small || $full ]] || continue
	read -ra each <<<"$switches"
	dir="$OUT/$model${switches:+-${switches//[ =]/-}}-$expected"
	rm -rf "$dir"
	mkdir -p "$dir" || exit 1
	start=${EPOCHREALTIME/./}
	(cd "$dir" && run_pan "$size" "$model" "$expected" "${each[@]}") >"$dir/errors" 2>&1
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
	got=$(cat "$dir/errors")
	[[ ! -f $dir/pan.out ]] || got=$(verdict "$dir/pan.out")
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$dir/pan.out" 2>/dev/null)
	depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' "$dir/pan.out" 2>/dev/null)
	word=ok
	if [[ $got == "${expected/live/holds}" ]]; then
		passed=$((passed + 1))
		rm -f "$dir"/pan*.[chmbtp] "$dir/pan"
	else
		failed=$((failed + 1))
		word=FAIL
	fi
	printf '%-4s %s %s: %s, %s states, depth %s, %d.%d s\n' "$word" "$model" "$switches" "$expected" "${states:-no}" \
		"${depth:-0}" $((ms / 1000)) $((ms / 100 % 10))
	[[ $word == ok ]] || printf '  | got: %s; see %s\n' "$got" "$dir"
done < <(table)

echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
