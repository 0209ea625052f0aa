#!/bin/sh
# store.sh - what comes through store.pipe, a line at a time, goes to the end of store.txt. The line "bye" ends it.
[ -p store.pipe ] || mkfifo store.pipe || exit 1
# Open for writing, too: so the end of the last writer is not the end of the pipe.
exec 4<>store.pipe
sleep 1 # a larger program would read its data now
# Ready. Without the variable (started by hand) nobody wants to know.
[ -z "${YARDMASTER_READY_FD-}" ] || eval "echo >&$YARDMASTER_READY_FD"
echo "store.txt is open"
while read -r line <&4; do
	[ "$line" != bye ] || exit 0
	echo "$(date +%T) $line" >>store.txt
done
