#!/bin/sh
# upload.sh - one job of the pool: as many pieces as the payload says; 0 pieces is a failure for good.
read -r pieces || true
[ "${pieces:-0}" -gt 0 ] || {
	echo "nothing to upload" >&2
	exit 1
}
i=0
while [ "$i" -lt "$pieces" ]; do
	sleep 0.1
	i=$((i + 1))
	echo "progress $i/$pieces piece $i" >&3
done
echo "uploaded $pieces pieces"
