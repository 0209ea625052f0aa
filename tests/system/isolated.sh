#!/bin/bash
# isolated.sh SECONDS COMMAND... - process 1 of namespaces of its own: runs one test, then looks at what it left behind.
set -u

seconds=$1
shift
timeout --kill-after=5 "$seconds" "$@" </dev/null
code=$?
if ((code == 124 || code == 137)); then
	echo "no end after $seconds seconds"
	exit "$code"
fi

# Fills `processes`: whoever is there besides this shell. No subshell may be used to find out.
find_processes() {
	local file line
	processes=()
	for file in /proc/[0-9]*/stat; do
		read -r line <"$file" || continue
		# PID (NAME) STATE ...: zombies are dead, and reaped by this shell sooner or later.
		[[ $line == "1 "* || $line == *") Z "* ]] || processes+=("${line%%)*})")
	done 2>/dev/null
}

# Fills `objects`: a table of System V objects has one line of header.
find_objects() {
	local kind lines
	objects=()
	for kind in msg sem shm; do
		mapfile -t lines <"/proc/sysvipc/$kind"
		objects+=("${lines[@]:1}")
	done
}

# The guardian ends a moment after the last participant.
for ((try = 0; try < 100; try++)); do
	find_processes
	find_objects
	((${#processes[@]} + ${#objects[@]} > 0)) || exit "$code"
	# After a failure it is no wonder that something is left.
	((code == 0)) || exit "$code"
	sleep 0.02
done
((${#processes[@]} == 0)) || printf 'left behind: process %s\n' "${processes[@]}"
((${#objects[@]} == 0)) || printf 'left behind: object %s\n' "${objects[@]}"
exit 1
