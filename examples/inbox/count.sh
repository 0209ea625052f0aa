#!/bin/sh
# count.sh - one job of the pool `count`: counts to the payload, three numbers a second, and says how far it is.
read -r last || true
case $last in
'' | *[!0-9]*)
	echo "not a number: $last" >&2
	exit 1
	;;
esac
echo "unit numbers" >&3
i=0
while [ "$i" -lt "$last" ]; do
	sleep 0.3
	i=$((i + 1))
	echo "progress $i/$last now at $i" >&3
done
echo "counted to $last"
