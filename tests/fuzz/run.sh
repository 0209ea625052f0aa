#!/bin/bash
# run.sh BUILD SECONDS [TARGET] - run the fuzz targets, or one of them (segment, unserialize, ...).
#
# Builds them into BUILD/fuzz with clang's sanitizers. Each first gets the inputs that are kept: those of
# tests/fuzz/corpus, which must pass, and what earlier runs found worth keeping in BUILD/fuzz/corpus. Then SECONDS of
# new ones (0: none), which are the same again as long as FUZZ_SEED (default 1) and BUILD/fuzz/corpus are.
#
# An input with which something does not hold stays in BUILD/fuzz/findings, and the exit code is 1. Once it is mended,
# the input goes to tests/fuzz/corpus/TARGET/found-WHAT, where it is tried first for ever after. The other files there
# are made by make_corpus.php.
set -u
export LC_ALL=C

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
[[ $# =~ ^[23]$ && $2 =~ ^[0-9]+$ ]] || {
	echo "usage: tests/fuzz/run.sh BUILD SECONDS [TARGET]" >&2
	exit 2
}
SECONDS_EACH=$2 only=${3-}
FUZZ=$(realpath -m "$1")/fuzz
SEED=${FUZZ_SEED:-1}

SANITIZERS=-fsanitize=address,undefined
TIMEOUT=20     # seconds for one input
RSS_MAX=2000   # MiB
ALLOC_MAX=1000 # MiB at once
SHOWN_LINES=40
# What the targets use outside of ipc/.
BESIDES=(config/*.c runtime/{json,text,typed,typed_print,envelope,envelope_keys,when,reply,web/request}.c)

# Bytes of a new input, and a file of words worth trying.
declare -A LONGEST=([segment]=4096 [unserialize]=4096 [typed]=2048 [key]=256 [config]=1024 [envelope]=2048 [request]=1024)
declare -A WORDS=([unserialize]=serialize.dict [typed]=typed.dict [config]=config.dict [envelope]=envelope.dict
	[request]=request.dict)

targets() {
	local file
	for file in tests/fuzz/fuzz_*.c; do
		file=${file##*/fuzz_}
		[[ -n $only && ${file%.c} != "$only" ]] || echo "${file%.c}"
	done
}

# ---- building -----------------------------------------------------------------------------------------------------

# The objects by the rules of the Makefile, which knows when they are out of date.
build_objects() { # OBJECT...
	unset MAKEFLAGS MAKELEVEL MFLAGS
	make --no-print-directory -s -j2 CC=clang BUILD="$FUZZ" CFLAGS='-O1 -g -fno-omit-frame-pointer' \
		SANITIZE="-fsanitize=fuzzer-no-link $SANITIZERS -fno-sanitize-recover=undefined" "$@"
}

build_target() { # TARGET OBJECT...
	local helpers=(tests/fuzz/fuzz.c tests/fuzz/shm.c tests/fuzz/shot.c)
	clang -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -O1 -g -fno-omit-frame-pointer -pthread \
		-fsanitize=fuzzer $SANITIZERS -fno-sanitize-recover=undefined \
		-Wl,--wrap=clock_gettime,--wrap=nanosleep,--wrap=malloc,--wrap=calloc,--wrap=realloc \
		-o "$FUZZ/$1" "tests/fuzz/fuzz_$1.c" "${helpers[@]}" "${@:2}" -linih -ljansson -lm
}

build() {
	local source objects=() target
	for source in ipc/*.c "${BESIDES[@]}"; do
		objects+=("$FUZZ/obj/${source%.c}.o")
	done
	build_objects "${objects[@]}" || return 1
	for target in $(targets); do
		build_target "$target" "${objects[@]}" || return 1
	done
}

# ---- running ------------------------------------------------------------------------------------------------------

fuzz() { # TARGET ARGUMENT...
	"$FUZZ/$1" -seed="$SEED" -timeout="$TIMEOUT" -rss_limit_mb="$RSS_MAX" \
		-malloc_limit_mb="$ALLOC_MAX" -artifact_prefix="$FUZZ/findings/$1-" "${@:2}" >"$FUZZ/$1.log" 2>&1 </dev/null
}

finding() { # TARGET WHAT
	grep -vE '^(#[0-9]|INFO:|Executed )' "$FUZZ/$1.log" | tail -n "$SHOWN_LINES" | cut -b -500
	echo "$1: $2; see $FUZZ/$1.log and $FUZZ/findings"
	exit 1
}

run_target() { # TARGET
	local kept new=$FUZZ/corpus/$1 options=()
	mkdir -p "$new" "$FUZZ/findings"
	kept=$(find "tests/fuzz/corpus/$1" -type f | wc -l)
	((kept > 0)) || {
		echo "$1: tests/fuzz/corpus/$1 is empty"
		exit 1
	}
	fuzz "$1" "tests/fuzz/corpus/$1"/* || finding "$1" "an input of tests/fuzz/corpus does not pass"
	if ((SECONDS_EACH == 0)); then
		echo "$1: $kept inputs"
		return
	fi
	[[ ! -v WORDS[$1] ]] || options+=(-dict="tests/fuzz/${WORDS[$1]}")
	options+=(-max_len="${LONGEST[$1]}" -max_total_time="$SECONDS_EACH" -print_final_stats=1)
	fuzz "$1" "${options[@]}" "$new" "tests/fuzz/corpus/$1" ||
		finding "$1" "a new input, seed $SEED, does not pass"
	echo "$1: $kept inputs, then $(sed -n 's/^stat::number_of_executed_units: *//p' "$FUZZ/$1.log") of seed $SEED"
}

mapfile -t chosen < <(targets)
((${#chosen[@]} > 0)) || {
	echo "there is no target $only" >&2
	exit 2
}
mkdir -p "$FUZZ"
build || exit 1
for target in "${chosen[@]}"; do
	run_target "$target"
done
echo "${#chosen[@]} targets, no findings"
