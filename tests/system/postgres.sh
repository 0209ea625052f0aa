# shellcheck shell=bash
#
# postgres.sh - a PostgreSQL server of a test's own: private socket, no network, gone with the test. Sourced by tests.
#
#   start_postgres     makes a database cluster in $DIR/postgres if there is none, and starts its server
#   stop_postgres      an orderly end; also at the end of the test
#   kill_postgres      kill -9 of the server and all its processes, as if its machine lost power; start it again before the
#                      end of the test, as it leaves a System V object behind
#   postgres_uri [DATABASE]   what to write after `store =`
#   psql_do SQL [DATABASE]    run SQL, print the bare values
#
# POSTGRES_MADE: where to keep a copy of what initdb makes, for the next test; none if it is not set.
#
# PostgreSQL refuses to run as root, so it runs as nobody, or, in a user namespace that knows nobody else, under another
# name for the same user.

POSTGRES_DIR=$DIR/postgres
POSTGRES_PORT=5432 # of the socket's name only
# Nothing of it has to outlive the machine. Who does not wait for his commit has not got it when the server is killed.
[[ -n ${POSTGRES_SETTINGS-} ]] ||
	POSTGRES_SETTINGS=(-c fsync=off -c full_page_writes=off -c shared_buffers=32MB -c wal_writer_delay=10s)

postgres_programs() {
	local programs=(/usr/lib/postgresql/*/bin)
	[[ -x ${programs[-1]}/postgres ]] || return 1
	printf '%s\n' "${programs[-1]}"
}

# Run a command as somebody whom the server likes.
as_postgres() { # COMMAND...
	if ((EUID != 0)); then
		"$@"
	elif setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		unshare --user --map-user=65534 --map-group=65534 "$@"
	fi
}

make_postgres() {
	local part
	mkdir -p "$POSTGRES_DIR/socket"
	chmod 0755 "$POSTGRES_DIR" "$POSTGRES_DIR/socket"
	# nobody must be able to walk to it
	part=$POSTGRES_DIR
	while [[ $part != / ]]; do
		part=$(dirname "$part")
		[[ -O $part ]] && chmod go+x "$part" 2>/dev/null
	done
	chown 65534:65534 "$POSTGRES_DIR" "$POSTGRES_DIR/socket" 2>/dev/null
	[[ -n ${POSTGRES_MADE-} ]] || {
		make_data
		return
	}
	# The same for all tests of this run: whoever comes first makes it.
	{
		flock 8
		if [[ ! -d $POSTGRES_MADE ]]; then
			make_data
			cp -a "$POSTGRES_DIR/data" "$POSTGRES_MADE.new" && mv "$POSTGRES_MADE.new" "$POSTGRES_MADE"
		fi
	} 8>>"$POSTGRES_MADE.lock"
	[[ -d $POSTGRES_DIR/data ]] || cp -a "$POSTGRES_MADE" "$POSTGRES_DIR/data" || fail "no copy of $POSTGRES_MADE"
}

make_data() {
	as_postgres "$(postgres_programs)/initdb" -D "$POSTGRES_DIR/data" -U yardmaster --auth=trust --encoding=UTF8 \
		--locale=C --no-sync --no-instructions >"$DIR/initdb.log" 2>&1 ||
		fail "initdb: $(tail -3 "$DIR/initdb.log")"
}

postgres_ready() {
	"$(postgres_programs)/pg_isready" -q -h "$POSTGRES_DIR/socket" -p "$POSTGRES_PORT"
}

start_postgres() {
	postgres_programs >/dev/null || skip "no PostgreSQL server here (package postgresql-15)"
	[[ -d $POSTGRES_DIR/data ]] || make_postgres
	# Nothing listens to a network.
	as_postgres "$(postgres_programs)/postgres" -D "$POSTGRES_DIR/data" -k "$POSTGRES_DIR/socket" -p "$POSTGRES_PORT" \
		-c listen_addresses= -c max_connections=60 -c dynamic_shared_memory_type=mmap "${POSTGRES_SETTINGS[@]}" \
		>>"$DIR/postgres.log" 2>&1 &
	POSTGRES_PID=$!
	wait_until 60 postgres_ready
	if [[ ! -e $POSTGRES_DIR/made ]]; then
		psql_do "CREATE DATABASE yardmaster" template1 >/dev/null
		: >"$POSTGRES_DIR/made"
	fi
	trap stop_postgres EXIT
}

# The server itself: setpriv becomes it, unshare is its parent.
postgres_server() {
	local pid
	pid=$(head -n 1 "$POSTGRES_DIR/data/postmaster.pid" 2>/dev/null) && printf '%s\n' "$pid"
}

stop_postgres() {
	local pid
	[[ -n ${POSTGRES_PID-} ]] || return 0
	pid=$(postgres_server)
	[[ -n $pid ]] && kill -INT "$pid" 2>/dev/null
	wait "$POSTGRES_PID" 2>/dev/null
	POSTGRES_PID=
}

# Its children hold its memory until they are gone.
postgres_children_dead() { # PID...
	local pid stat
	for pid in "$@"; do
		read -r stat 2>/dev/null <"/proc/$pid/stat" || continue
		[[ $stat == *") Z "* ]] || return 1
	done
}

kill_postgres() {
	local pid children=()
	pid=$(postgres_server) || fail "no server to kill"
	kill -STOP "$pid" # it starts no more
	mapfile -t children < <(pgrep -P "$pid")
	kill -KILL "$pid" "${children[@]}" 2>/dev/null
	wait "$POSTGRES_PID" 2>/dev/null
	wait_until 10 postgres_children_dead "${children[@]}"
	POSTGRES_PID=
	rm -f "$POSTGRES_DIR/data/postmaster.pid"
}

postgres_uri() { # [DATABASE]
	printf 'postgresql:///%s?host=%s&port=%s&user=yardmaster\n' "${1:-yardmaster}" "$POSTGRES_DIR/socket" "$POSTGRES_PORT"
}

psql_do() { # SQL [DATABASE]
	"$(postgres_programs)/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$(postgres_uri "${2-}")" -c "$1"
}
