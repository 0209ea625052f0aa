#!/bin/bash
# demo.sh [ROUNDS] - C and PHP count together and are killed; at the end the number is right and nothing is left.
#
# Needs ./shared_memory (make) and php with sysvsem and sysvshm. SHARED_MEMORY may name another program.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly program=${SHARED_MEMORY:-$here/shared_memory}
readonly rounds=${1:-5}
readonly head_start=500 # each counts at least so often before it is killed
readonly last_round=1000
tmp=$(mktemp -d)
readonly tmp
pids=()
trap 'kill -KILL "${pids[@]}" 2>/dev/null || true; rm -rf "$tmp"' EXIT

die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

has_lines() { # FILE NUMBER
	(($(wc -l <"$1") >= $2))
}

wait_for() { # COMMAND...
	local end=$((SECONDS + 10))
	until "$@"; do
		((SECONDS < end)) || die "not within 10 s: $*"
		sleep 0.01
	done
}

# In the background, each with a file of its own for the sums that it got: fills c and php.
start_counting() { # TIMES
	"$program" "$tmp/group" count visits "$1" >"$tmp/sums.c.$round" &
	c=$!
	php "$here/count.php" "$tmp/group" visits "$1" >"$tmp/sums.php.$round" &
	php=$!
	pids+=("$c" "$php")
}

# The values live as long as somebody takes part: that is the job of this one, until its input ends.
mkfifo "$tmp/hold"
"$program" "$tmp/group" hold <"$tmp/hold" >"$tmp/holder" &
holder=$!
exec 3>"$tmp/hold"
wait_for has_lines "$tmp/holder" 1

for ((round = 1; round <= rounds; round++)); do
	start_counting 1000000000
	wait_for has_lines "$tmp/sums.c.$round" "$head_start"
	wait_for has_lines "$tmp/sums.php.$round" "$head_start"
	kill -KILL "$c" "$php"
	wait "$c" "$php" 2>/dev/null || true
done
echo "killed: $rounds times C, $rounds times PHP"

pids=()
start_counting "$last_round"
wait "$c" || die "C failed"
wait "$php" || die "PHP failed"
pids=()

# Who was killed may have counted once more than it could say. No sum may have come up twice.
number=$("$program" "$tmp/group" get visits)
said=$(cat "$tmp"/sums.* | wc -l)
distinct=$(sort -n "$tmp"/sums.* | uniq | wc -l)
unsaid=$((number - said))
echo "C said $(cat "$tmp"/sums.c.* | wc -l) sums, PHP $(cat "$tmp"/sums.php.* | wc -l)"
echo "the number is $number: $unsaid more, of those that were killed before they could say it"
((distinct == said)) || die "$((said - distinct)) sums came up twice"
((unsaid >= 0 && unsaid <= 2 * rounds)) || die "that cannot be: $((2 * rounds)) were killed"

exec 3>&-
wait "$holder"
echo "right"
