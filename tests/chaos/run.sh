#!/bin/bash
# run.sh BUILD SECONDS [STORE [SEED]] - chaos in namespaces of its own: see chaos.c.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
(($# >= 2 && $# <= 4)) || {
	echo "usage: tests/chaos/run.sh BUILD SECONDS [memory|sqlite|both [SEED]]" >&2
	exit 2
}
BUILD=$(realpath "$1")

isolate=(unshare --ipc --pid --fork --kill-child --mount-proc)
((EUID == 0)) || isolate=(unshare --user --map-root-user "${isolate[@]:1}")
# Each round takes as long again at most until everything is over.
"${isolate[@]}" bash tests/system/isolated.sh $((2 * $2 + 180)) "$BUILD/tests/chaos" "$2" "$BUILD/yardmaster" \
	"$BUILD/tests/plugins/chaos.so" "${3:-both}" "${@:4}"
