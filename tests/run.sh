#!/bin/bash
# run.sh BUILD [TEXT] - run all tests, or those with TEXT in their names; the last line counts them.
#
# Every test gets System V objects, processes and a directory of its own (unshare), and fails if it leaves anything
# behind. Names: warnings/COMPILER, unit/FILE, system/FILE/FUNCTION, interop/FILE/FUNCTION, interop/codec, models, fuzz,
# chaos/STORE, chaos_group; with asan/ in front: the same with the sanitizers of gcc. A system or interop test runs there, too,
# if it is marked with `# sanitized`.
#
# System and interop tests go by real time, which a busy machine may spend elsewhere. When all of them run, one that fails is
# tried once more, alone, at the end; if it passes then, it is counted as unsteady, too, and what it said stands above.
# STRICT=1: it has failed. What a sanitizer found, unit tests, models, fuzzing and chaos have no second try.
set -u
export LC_ALL=C
unset TERM

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
(($# == 1 || $# == 2)) || {
	echo "usage: tests/run.sh BUILD [TEXT]" >&2
	exit 2
}
SOURCE=$PWD BUILD=$(realpath "$1") only=${2-}
export SOURCE BUILD
ASAN=$BUILD/asan
TMP=$(mktemp -d "${TMPDIR:-/tmp}/yardmaster-tests.XXXXXX") || exit 1
trap 'rm -rf "$TMP"' EXIT
AGAIN=$TMP/again
mkdir "$AGAIN" || exit 1
export POSTGRES_MADE=$TMP/postgres

PARALLEL=2      # tests at a time, whatever else goes on
PARALLEL_MAX=6  # while a processor has nothing to do: many tests wait most of their time
PROCESSORS=$(nproc)
SECONDS_MAX=180
CHAOS_SECONDS=20
CHAOS_GROUP_SECONDS=10
MODELS_SECONDS=300
FUZZ_SECONDS=5 # a target
CODEC_VALUES=3000
SKIP=77 # exit code of a test that cannot be done here
LOG_LINES=60

isolate=(unshare --ipc --pid --fork --kill-child --mount-proc)
((EUID == 0)) || isolate=(unshare --user --map-root-user "${isolate[@]:1}")
"${isolate[@]}" true 2>"$TMP/unshare" || {
	echo "cannot make namespaces to test in: $(<"$TMP/unshare")" >&2
	echo "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or run the tests as root." >&2
	echo "0 passed, 1 failed"
	exit 1
}

# ---- one test -----------------------------------------------------------------------------------------------------

# Say how it went, by the counts PASSED, FAILED and SKIPPED; no failure is good. None at all: it is tried again.
report() { # NAME MICROSECONDS DIRECTORY
	local file word="ok  "
	((SKIPPED == 0)) || word=skip
	((FAILED == 0)) || word=FAIL
	((PASSED + FAILED + SKIPPED > 0)) || word=once
	{
		flock 9
		printf '%s %s (%d.%d s)\n' "$word" "$1" $(($2 / 1000000)) $(($2 / 100000 % 10))
		[[ $word != skip ]] || sed 's/^/  | /' "$3/output"
		for file in "$3"/output "$3"/*.log "$3"/sanitizer.*; do
			[[ ($word == FAIL || $word == once) && -s $file ]] || continue
			printf '  ---- %s, last %d lines\n' "${file##*/}" "$LOG_LINES"
			tail -n "$LOG_LINES" "$file" | cut -b -500 | sed 's/^/  | /'
		done
		echo "$PASSED $FAILED $SKIPPED" >>"$TMP/counts"
	} 9>>"$TMP/lock"
}

may_try_again() { # NAME DIRECTORY
	[[ -z $only && -z ${STRICT-} && -z ${SECOND-} && $1 =~ ^(asan/)?(system|interop)/ ]] &&
		! compgen -G "$2/sanitizer.*" >/dev/null
}

# Run a command as a test. The function COUNT may correct the counts by what the output says.
run_test() { # NAME COUNT COMMAND...
	local name=$1 count=$2 start=${EPOCHREALTIME/./} code dir
	dir=$(mktemp -d "$TMP/XXXXXX")
	mkdir "$dir/xdg"
	DIR=$dir XDG_RUNTIME_DIR=$dir/xdg "${@:3}" >"$dir/output" 2>&1
	code=$?
	PASSED=$((code == 0)) SKIPPED=$((code == SKIP)) FAILED=$((code != 0 && code != SKIP))
	"$count" "$dir" "$code"
	# Whatever the test itself thinks: a sanitizer that found something in any process is a failure.
	if compgen -G "$dir/sanitizer.*" >/dev/null && ((FAILED == 0)); then
		FAILED=1 PASSED=0 SKIPPED=0
	fi
	if ((FAILED > 0)) && may_try_again "$name" "$dir"; then
		FAILED=0
		printf '%q ' "$@" >"$(mktemp "$AGAIN/XXXXXX")"
	fi
	report "$name" $((${EPOCHREALTIME/./} - start)) "$dir"
	rm -rf "$dir"
}

count_one() { # DIRECTORY CODE
	:
}

# check says "96%: Checks: 25, Failures: 1, Errors: 0".
count_checks() { # DIRECTORY CODE
	local line
	line=$(grep -E '^[0-9]+%: Checks: ' "$1/output" | tail -n 1)
	[[ $line =~ Checks:\ ([0-9]+),\ Failures:\ ([0-9]+),\ Errors:\ ([0-9]+) ]] || {
		echo "no result of the check library in its output" >>"$1/output"
		PASSED=0 FAILED=1
		return
	}
	FAILED=$((BASH_REMATCH[2] + BASH_REMATCH[3]))
	PASSED=$((BASH_REMATCH[1] - FAILED))
	# All checks good, but something left behind or a bad end.
	(($2 == 0 || FAILED > 0)) || FAILED=1
}

# "5 passed, 0 failed": one for each configuration of a model.
count_models() { # DIRECTORY CODE
	local line
	line=$(tail -n 1 "$1/output")
	[[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]] || return
	PASSED=${BASH_REMATCH[1]} FAILED=${BASH_REMATCH[2]}
}

# Reports go to files: a worker that dies of one is replaced, and the test might not notice.
sanitized() { # COMMAND...
	local options="log_path=$DIR/sanitizer:detect_leaks=1:detect_stack_use_after_return=1"
	ASAN_OPTIONS=$options UBSAN_OPTIONS="log_path=$DIR/sanitizer:print_stacktrace=1" CK_TIMEOUT_MULTIPLIER=5 "$@"
}

plain() { # COMMAND...
	"$@"
}

isolated() { # SECONDS COMMAND...
	"${isolate[@]}" bash tests/system/isolated.sh "$@"
}

# ---- the parts ------------------------------------------------------------------------------------------------------

c_files() {
	find ipc config runtime workers tests examples -name '*.c'
}

warnings() { # COMPILER
	local flags
	read -ra flags < <(pkg-config --cflags check)
	c_files | xargs -P2 -n4 "$1" -fsyntax-only -Werror -std=gnu11 -D_GNU_SOURCE -DYM_VERSION='"0"' -Wall -Wextra -Wshadow \
		-Wconversion -I"$BUILD/include" "${flags[@]}"
}

build_sanitized() {
	unset MAKEFLAGS MAKELEVEL MFLAGS
	make -j1 BUILD="$ASAN" SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' CFLAGS='-O1 -g' \
		program tests
}

# Lines of FILE FUNCTION of tests/system or tests/interop; with a mark, only those that have it.
shell_tests() { # ROOM [MARK]
	local file mark=${2:+ # $2}
	for file in "tests/$1"/*.sh; do
		sed -n "s|^\\(test_[a-z0-9_]*\\)() {.*$mark\$|$file \\1|p" "$file"
	done
}

# ---- all of them ------------------------------------------------------------------------------------------------------

wanted() { # NAME
	[[ $1 == *"$only"* ]]
}

# For a moment, fewer want to run than there are processors, not counting who reads this.
is_idle() {
	local running i
	for ((i = 0; i < 3; i++)); do
		sleep 0.03
		read -r _ _ _ running _ </proc/loadavg
		((${running%/*} <= PROCESSORS)) || return 1
	done
}

has_room() {
	local n
	n=$(jobs -rp | wc -l)
	((n < PARALLEL)) || { ((n < PARALLEL_MAX)) && is_idle; }
}

# In the background, as soon as there is room.
start() { # NAME COUNT COMMAND...
	wanted "$1" || return 0
	until has_room; do
		sleep 0.1
	done
	run_test "$@" &
}

start_unit_tests() { # PREFIX BUILD WRAPPER
	local file
	for file in "$2"/tests/test_*; do
		[[ ! -x $file || -d $file ]] || start "$1unit/${file##*/test_}" count_checks "$3" isolated "$SECONDS_MAX" "$file"
	done
}

start_shell_tests() { # PREFIX BUILD WRAPPER [MARK]
	local room file function name
	for room in system interop; do
		while read -r file function; do
			name=${file##*/}
			start "$1$room/${name%.sh}/${function#test_}" count_one "$3" isolated "$SECONDS_MAX" \
				env BUILD="$2" YARDMASTER="$2/yardmaster" PLUGINS="$2/tests/plugins" \
				bash tests/system/one.sh "$file" "$function"
		done < <(shell_tests "$room" "${4-}")
	done
}

sanitized_wanted() {
	local room file function
	[[ -n $only ]] || return 0
	wanted asan/build && return 0
	for room in system interop; do
		while read -r file function; do
			file=${file##*/}
			wanted "asan/$room/${file%.sh}/${function#test_}" && return 0
		done < <(shell_tests "$room" sanitized)
	done
	for file in tests/unit/test_*.c; do
		wanted "asan/unit/$(basename "$file" .c | sed 's/^test_//')" && return 0
	done
	return 1
}

: >"$TMP/counts"
for compiler in gcc clang; do
	start "warnings/$compiler" count_one warnings "$compiler"
done
wait
with_asan=
if [[ $only != system/* && $only != unit/* && $only != interop/* ]] && sanitized_wanted; then
	with_asan=yes
	run_test asan/build count_one build_sanitized &
fi
start models count_models isolated "$MODELS_SECONDS" tests/models/run.sh "$BUILD"
start_unit_tests "" "$BUILD" plain
start_shell_tests "" "$BUILD" plain
start interop/codec count_one isolated "$SECONDS_MAX" php tests/interop/codec.php "$BUILD/tests/codec-peer" "$CODEC_VALUES"
start fuzz count_one isolated "$MODELS_SECONDS" tests/fuzz/run.sh "$BUILD" "$FUZZ_SECONDS"
wait
if [[ -n $with_asan ]]; then
	start_unit_tests asan/ "$ASAN" sanitized
	start_shell_tests asan/ "$ASAN" sanitized sanitized
	wait
fi
if [[ -x $BUILD/tests/chaos ]]; then
	# They need both processors: alone.
	start chaos_group count_one isolated $((CHAOS_GROUP_SECONDS + SECONDS_MAX)) "$BUILD/tests/chaos_group" \
		"$CHAOS_GROUP_SECONDS"
	wait
	for store in memory sqlite; do
		start "chaos/$store" count_one isolated $((CHAOS_SECONDS + SECONDS_MAX)) "$BUILD/tests/chaos" \
			"$CHAOS_SECONDS" "$BUILD/yardmaster" "$BUILD/tests/plugins/chaos.so" "$store"
		wait
	done
fi

unsteady=0
for file in "$AGAIN"/*; do
	[[ -e $file ]] || continue
	echo "once more, alone:"
	failed_before=$(awk '{n += $2} END {print n + 0}' "$TMP/counts")
	eval "SECOND=yes run_test $(<"$file")"
	((unsteady += $(awk '{n += $2} END {print n + 0}' "$TMP/counts") == failed_before))
done

read -r passed failed skipped < <(awk '{p += $1; f += $2; s += $3} END {print p + 0, f + 0, s + 0}' "$TMP/counts")
more=
((skipped == 0)) || more=", $skipped skipped"
((unsteady == 0)) || more+=", $unsteady unsteady"
echo "$passed passed, $failed failed$more"
((failed == 0 && passed > 0))
