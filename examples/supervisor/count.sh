#!/bin/sh
# count.sh - says each second how much is in store.txt, if that has changed: 0 counts lines, 1 counts bytes.
case $1 in
0) option=-l what=lines ;;
*) option=-c what=bytes ;;
esac
last=
while :; do
	now=$(wc "$option" 2>/dev/null <store.txt)
	[ "$now" = "$last" ] || echo "${now:-0} $what"
	last=$now
	sleep 1
done
