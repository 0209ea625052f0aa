#!/bin/sh
# mail.sh - one job of the pool `mail`: says to whom it would write; "slow NAME" takes ten seconds over it.
read -r name rest || true
if [ "$name" = slow ]; then
	sleep 10
	name=$rest
fi
case $name in
*@*) echo "sent to $name" ;;
*) echo "no address: $name" >&2; exit 1 ;;
esac
