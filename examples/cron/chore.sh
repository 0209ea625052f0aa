#!/bin/sh
# chore.sh - one job of the pool `chores`: says what it was asked to do; "slow N" takes N seconds over it.
read -r what seconds || true
[ -z "$seconds" ] || sleep "$seconds"
echo "$what, at $(date +%T)"
