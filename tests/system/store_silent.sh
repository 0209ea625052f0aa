# shellcheck shell=bash
# store_silent.sh - a database that does not answer, although its connections stand: PostgreSQL is stopped (SIGSTOP).

# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/postgres.sh"

LEDGER=$DIR/ledger

begin() {
	start_postgres
	write_ini "store = $(postgres_uri)" "jobs = 64" <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		workers = 2
		option.file = $LEDGER
	EOF
	expect 0 ym store init
	touch "$LEDGER"
	start_master
	submit ledger "1 0"
	wait_until 10 has_lines "$LEDGER" 2
}

silence_postgres() {
	mapfile -t SILENT < <(postgres_server && pgrep -P "$(postgres_server)")
	trap 'wake_postgres; stop_postgres' EXIT
	kill -STOP "${SILENT[@]}"
}

wake_postgres() {
	kill -CONT "${SILENT[@]}" 2>/dev/null
}

done_jobs() {
	awk '$1 == "done" {print $2}' "$LEDGER" | sort | xargs
}

are_done() { # NUMBER...
	local number
	for number in "$@"; do
		grep -q "^done $number " "$LEDGER" || return 1
	done
}

test_nothing_waits_for_ever() {
	begin
	expect 0 ym pause ledger
	submit ledger "2 0"
	silence_postgres
	expect 0 ym status
	expect 1 ym submit ledger "3 0" --patience 1s
	assert_contains "no answer from the store in time" "$ERR" "a submission"
	expect 1 ym jobs
	assert_contains "cannot be read" "$ERR" "what jobs says of the store"
	stop_master --timeout 60s
	assert_logged "not everything could be written"
	wake_postgres
	# Nothing that was accepted is lost, nothing has run twice.
	start_master
	expect 0 ym resume ledger
	submit ledger "4 0"
	wait_until 20 are_done 1 2 4
	assert_equal "" "$(done_jobs | tr ' ' '\n' | uniq -d)" "jobs that ran twice"
	stop_master
}

test_an_end_in_the_first_moment() {
	begin
	expect 0 ym pause ledger
	submit ledger "2 0"
	silence_postgres
	expect 0 ym upgrade
	wait_until 60 logged "goes on where the program before it was"
	stop_master --timeout 60s
	wake_postgres
	start_master
	expect 0 ym resume ledger
	wait_until 20 is "1 2" done_jobs
	stop_master
}
