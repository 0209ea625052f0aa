#!/bin/bash
# bench_cluster.sh BUILD - bench_cluster with a PostgreSQL server of its own, on the disk of TMPDIR, over a socket: fsync,
# full_page_writes and synchronous_commit are on, everything else is as Debian has it. Nothing if there is no PostgreSQL.
set -u

# tests/system/lib.sh and postgres.sh go by these.
BUILD=$(realpath "$1") SOURCE=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
YARDMASTER=$BUILD/yardmaster DIR=$(mktemp -d "${TMPDIR:-/tmp}/bench-cluster.XXXXXX") || exit 1
export YARDMASTER DIR
POSTGRES_SETTINGS=(-c fsync=on -c full_page_writes=on -c synchronous_commit=on)
# shellcheck source=tests/system/lib.sh
. "$SOURCE/tests/system/lib.sh"
# shellcheck source=tests/system/postgres.sh
. "$SOURCE/tests/system/postgres.sh"

postgres_programs >/dev/null || {
	echo "bench_cluster: no PostgreSQL server here (package postgresql-15)" >&2
	exit 0
}
start_postgres
trap 'stop_postgres; rm -rf "$DIR"' EXIT
"$YARDMASTER" store init "$(postgres_uri)" >/dev/null || exit 1
TMPDIR=$DIR "$BUILD/tests/bench_cluster" "$YARDMASTER" "$BUILD/tests/noop.so" "$(postgres_uri)"
