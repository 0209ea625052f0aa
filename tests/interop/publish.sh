# shellcheck shell=bash source-path=SCRIPTDIR
# publish.sh - progress in shared memory, read by real PHP, Perl and Python; and what scripts can do to it.

. "$SOURCE/tests/interop/peers.sh"

RUN=$DIR/run
PUBLISH=(php -d display_errors=stderr "$HERE/publish.php" "$RUN")

# One pool of jobs "MS" that sleep so long; arguments are lines for [yardmaster].
publish_ini() {
	write_ini "publish = php" "$@" <<-EOF
		[pool:p]
		plugin = $PLUGINS/sleep.so
		workers = 2
		attempts = 1
	EOF
}

start() { # LINE...
	need php
	publish_ini "$@"
	start_master
}

# A script of docs/php.md, as it is shown.
script() { # NAME
	awk -v name="$1" '
		/^```[a-z]/ {text = ""; on = 1; next}
		/^```$/ {if (on && text ~ name " DIRECTORY TAG") {printf "%s", text; exit} on = 0}
		on {text = text $0 "\n"}' "$SOURCE/docs/php.md" >"$DIR/$1"
	[[ -s $DIR/$1 ]] || fail "docs/php.md has no script $1"
}

# The variable of a tag (or =NUMBER), or one key of it, as JSON; null if there is none.
shown() { # TAG [KEY]
	"${PUBLISH[@]}" get "$@"
}

shown_is() { # VALUE TAG [KEY]
	[[ $(shown "${@:2}") == "$1" ]]
}

state_is() { # TAG STATE
	wait_until 10 shown_is "\"$2\"" "$1" state
}

script_in_background() { # VERB ARGUMENTS...
	mkfifo "$DIR/script.in"
	exec {SCRIPT_IN}<>"$DIR/script.in"
	"${PUBLISH[@]}" "$@" <"$DIR/script.in" >"$DIR/script.out" {SCRIPT_IN}>&- &
	SCRIPT=$!
}

# ---- reading --------------------------------------------------------------------------------------------------------

test_php() {
	local percents
	start
	script progress.php
	php -d display_errors=stderr "$DIR/progress.php" "$RUN" film >"$DIR/lines" 2>&1 &
	CLIENT=$!
	submit p 1500 --tag film
	wait "$CLIENT"
	assert_equal 0 $? "exit code of progress.php: $(<"$DIR/lines")"
	assert_equal "done 100% attempt 1 " "$(tail -n 1 "$DIR/lines")" "the last line"
	grep -q '^running .* still [0-9.]* s$' "$DIR/lines" || fail "never a time to go: $(<"$DIR/lines")"
	percents=$(sed -n 's/^running \([0-9.]*\)%.*/\1/p' "$DIR/lines")
	(($(sort -u <<<"$percents" | wc -l) >= 6)) || fail "too few steps in 1.5 s: $percents"
	sort -g -c <<<"$percents" || fail "it goes back: $percents"
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects that are left"
}

has_moved() { # TAG
	[[ $(shown "$1" "done") == [1-9]* ]]
}

test_perl_and_python() {
	local key job
	need perl python
	start
	script progress.pl
	script progress.py
	submit p 60000 --tag "über uns"
	# Unit, total and first progress come one after the other.
	wait_until 10 has_moved "über uns"
	expect 0 perl "$DIR/progress.pl" "$RUN" "über uns"
	for key in "id: $JOB" "pool: p" "tag: über uns" "state: running" "total: 60000" "unit: ms" "note: attempt 1" "attempt: 1" \
		"error: null" "finished: null"; do
		has_line "$DIR/out" "$key" || fail "not in what Perl reads: $key: $OUT"
	done
	expect 0 /usr/bin/python3 "$DIR/progress.py" "$RUN" "über uns"
	job=$(/usr/bin/python3 -c 'import json, sys; job = json.load(sys.stdin); print(list(job), job["id"], job["state"], job["total"],
		job["error"], job["done"] > 0, 0 < job["percent"] < 100, job["submitted"] <= job["started"] <= job["updated"],
		job["tag"])' <<<"$OUT")
	assert_equal "['id', 'pool', 'tag', 'state', 'done', 'total', 'unit', 'note', 'percent', 'rate', 'eta', 'attempt', 'error', \
'submitted', 'started', 'finished', 'updated'] $JOB running 60000 None True True True über uns" "$job" "what Python reads"
	expect 0 "$YARDMASTER" shm get "$RUN/progress:y" name:"über uns" --json --lock "$RUN/members:y"
	assert_contains "\"tag\": \"über uns\", \"state\": \"running\"" "$OUT" "shm get"
	expect 0 ym jobs cancel "$JOB"
	state_is "über uns" cancelled
	stop_master
	expect 1 /usr/bin/python3 "$DIR/progress.py" "$RUN" "über uns"
	assert_contains "there is no progress in" "$ERR" "Python without an instance"
	assert_equal 0 "$(ipc_objects)" "objects that the scripts have made"
}

test_by_number_and_by_tag() {
	local first second
	start "publish_keep = 2s"
	submit p 60000 --tag same
	first=$JOB
	submit p 60000 --tag same
	second=$JOB
	submit p 60000
	wait_until 10 shown_is "$JOB" "=-$JOB" id
	assert_equal '"waiting"' "$(shown "=-$JOB" state)" "a third job of two workers"
	assert_equal '""' "$(shown "=-$JOB" tag)" "no tag"
	assert_equal "$second" "$(shown same id)" "the newest has the tag"
	assert_equal "$first" "$(shown "=-$first" id)" "the other one is found by number"
	assert_equal null "$(shown "=$first")" "no variable with a number for a key"
	assert_equal 3 "$(shown "=0" jobs)" "jobs"
	# When the newest has gone, the other one has the tag.
	expect 0 ym jobs cancel "$second"
	state_is same cancelled
	wait_until 10 shown_is "$first" same id
	assert_equal null "$(shown "=-$second")" "a job that was over for two seconds"
	assert_equal '"running"' "$(shown same state)" "its state"
	stop_master --now
}

test_how_jobs_end() {
	start
	submit p 50 --tag good
	state_is good "done"
	assert_equal 100 "$(shown good percent)" "percent"
	assert_equal "null" "$(shown good error)" "error"
	submit p 60000 --tag bad --timeout 200ms
	state_is bad failed
	[[ $(shown bad error) == *"time"* ]] || fail "error of a job without time: $(shown bad error)"
	submit p 1 --tag later --delay 10m
	state_is later delayed
	assert_equal null "$(shown later started)" "not started"
	expect 0 ym jobs delete "$JOB"
	state_is later gone
	stop_master
}

# How often the master has been woken.
wakings() {
	awk '/^voluntary/ {print $2}' "/proc/$MASTER/status"
}

asleep() {
	local before
	before=$(wakings)
	sleep 0.4
	(($(wakings) == before))
}

# A short one that comes while the master sleeps, and just after it has looked.
test_a_job_is_seen_at_once() {
	local begin before i
	start
	for i in 1 2 3; do
		wait_until 20 asleep
		before=$(wakings)
		while (($(wakings) == before)); do :; done
		begin=$(now_ms)
		submit p 5 --tag "short-$i"
		state_is "short-$i" "done"
		assert_less 1500 $(($(now_ms) - begin)) "milliseconds until it is shown; the master sleeps for 2000"
	done
	stop_master
}

test_named() {
	start "publish_size = 100kb"
	expect 0 "$YARDMASTER" check "$INI"
	assert_contains "progress for PHP in a segment of 100kb; jobs that are over stay in it for 1m" "$OUT" "check"
	expect 0 ym ipc ls
	[[ $OUT =~ variables\ +progress\ +0x79 ]] || fail "ipc ls: $OUT"
	submit p 1 --tag job
	state_is job "done"
	expect 0 ym status
	[[ $OUT =~ progress\ for\ PHP\ in\ segment\ 0x79[0-9a-f]{6}:\ 1\ jobs,\ [0-9.]+/100\.0\ KiB ]] || fail "status: $OUT"
	expect 0 ym ipc doctor
	stop_master
	sed -i '/^publish/d' "$INI"
	start_master
	expect 0 ym status
	assert_lacks "progress for" "$OUT" "status of an instance that publishes nothing"
	stop_master
	sed -i 's/^\[yardmaster\]/&\npublish_size = 100kb/' "$INI"
	expect 2 "$YARDMASTER" check "$INI"
	assert_contains "publish" "$ERR" "a size of nothing"
}

# ---- the semaphore ----------------------------------------------------------------------------------------------------

test_who_holds_the_semaphore_is_not_waited_for() {
	start
	submit p 1 --tag before
	state_is before "done"
	script_in_background hold
	wait_until 10 has_line "$DIR/script.out" held
	submit p 50 --tag meanwhile
	wait_until 10 is "done" job_state "$JOB"
	wait_until 10 logged "process $SCRIPT (php) holds the semaphore of $RUN/members"
	expect 0 ym status
	assert_equal 0 "$(php -r "\$shm = shm_attach(ftok('$RUN/progress', 'y')); echo (int)shm_has_var(\$shm, crc32('meanwhile'));")" \
		"written under somebody else's semaphore"
	echo >&"$SCRIPT_IN"
	wait_until 10 has_line "$DIR/script.out" free
	state_is meanwhile "done"
	wait_until 10 logged "the semaphore is free again"
	echo >&"$SCRIPT_IN"
	wait "$SCRIPT"
	stop_master
}

test_who_is_killed_with_the_semaphore() {
	start
	script_in_background hold
	wait_until 10 has_line "$DIR/script.out" held
	submit p 1 --tag job
	slay "$SCRIPT"
	state_is job "done"
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects that are left"
}

# ---- damage -----------------------------------------------------------------------------------------------------------

test_own_variables_stay() {
	start
	submit p 60000 --tag long
	state_is long running
	expect 0 "${PUBLISH[@]}" put =4294967296 mine
	submit p 1 --tag short
	state_is short "done"
	assert_equal '"mine"' "$(shown "=4294967296")" "a variable of the script"
	# One of ours that is taken away comes with the next change.
	expect 0 "${PUBLISH[@]}" remove long
	state_is long running
	assert_equal '"mine"' "$(shown "=4294967296")" "a variable of the script"
	stop_master --now
}

test_removed_by_a_script() {
	local key
	start
	submit p 60000 --tag long
	state_is long running
	key=$(stat -c %i "$RUN/progress")
	expect 0 "${PUBLISH[@]}" shm_remove
	state_is long running
	assert_equal "$key" "$(stat -c %i "$RUN/progress")" "its key file"
	assert_logged "made anew"
	# The next one comes first: it makes a segment with the key, as PHP does.
	expect 0 "${PUBLISH[@]}" shm_remove
	expect 0 "${PUBLISH[@]}" attach
	state_is long running
	assert_equal "$key" "$(stat -c %i "$RUN/progress")" "its key file"
	stop_master --now
	assert_equal 0 "$(ipc_objects)" "objects that are left"
}

# The whole instance is made anew, and the segment with it.
test_semaphore_removed_by_a_script() {
	start
	submit p 300 --tag before
	state_is before running
	expect 0 "${PUBLISH[@]}" sem_remove
	wait_until 20 logged "the IPC objects were made anew"
	submit p 1 --tag after
	state_is after "done"
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects that are left"
}

damage() { # WHAT OFFSET HEX
	local before
	before=$(grep -cE "publish: .*(repaired|made anew)" "$LOG")
	expect 0 "${PUBLISH[@]}" write "$2" "$3"
	state_is long running
	submit p 1 --tag "$1"
	state_is "$1" "done"
	state_is long running
	((before > 0)) || wait_until 10 grep -qE "publish: .*(repaired|made anew)" "$LOG"
	expect 0 "$YARDMASTER" shm dump "$RUN/progress:y" --lock "$RUN/members:y"
}

test_damage() {
	start
	submit p 60000 --tag long
	state_is long running
	expect 0 "${PUBLISH[@]}" put =4294967296 mine
	# In the order of the head: magic, start, end, free, total; then the length and the size of the first chunk.
	damage free 24 ffffffffffffffff
	assert_equal '"mine"' "$(shown "=4294967296")" "a variable of the script"
	damage end 16 ffffffffffffff7f
	damage total 32 ffffffffffffff00
	damage start 8 1027000000000000
	damage size 56 0100000000000000
	damage length 48 ffffffff00000000
	damage magic 0 58585858
	damage all 0 "$(printf '5a%.0s' {1..400})"
	stop_master --now
	assert_equal 0 "$(ipc_objects)" "objects that are left"
}

test_a_script_was_there_first() {
	start
	stop_master
	expect 0 "${PUBLISH[@]}" attach
	start_master
	submit p 1 --tag job
	state_is job "done"
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects that are left"
}

# ---- masters ----------------------------------------------------------------------------------------------------------

test_next_master() {
	start "publish_keep = 10s"
	submit p 1 --tag over
	state_is over "done"
	submit p 2000 --tag running
	state_is running running
	expect 0 "${PUBLISH[@]}" put =4294967296 mine
	slay "$MASTER"
	submit p 1 --tag meanwhile
	wait_until 10 is "done" job_state "$JOB"
	assert_equal '"running"' "$(shown running state)" "while there is no master"
	start_master
	assert_equal '"done"' "$(shown over state)" "over before"
	state_is meanwhile "done"
	state_is running "done"
	assert_equal '"mine"' "$(shown "=4294967296")" "a variable of the script"
	wait_until 20 shown_is null over
	wait_until 20 shown_is null running
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects that are left"
}

test_upgrade() {
	start
	submit p 60000 --tag long
	state_is long running
	submit p 1 --tag over
	state_is over "done"
	expect 0 ym upgrade --wait
	assert_equal '"done"' "$(shown over state)" "over before the upgrade"
	wait_until 10 logged "as it was"
	expect 0 ym jobs cancel 1
	state_is long cancelled
	submit p 1 --tag after
	state_is after "done"
	stop_master
}

test_reload() {
	local size
	start
	submit p 60000 --tag long
	state_is long running
	publish_ini "publish_size = 64kb" "publish_keep = 1s"
	expect 0 ym reload
	state_is long running
	size=$("$YARDMASTER" shm stat "$RUN/progress:y")
	assert_contains 65536 "$size" "the new size"
	submit p 1 --tag short
	state_is short "done"
	wait_until 10 shown_is null short
	sed -i '/^publish/d' "$INI"
	expect 0 ym reload
	expect 1 "${PUBLISH[@]}" get long
	publish_ini
	expect 0 ym reload
	state_is long running
	stop_master --now
	assert_equal 0 "$(ipc_objects)" "objects that are left"
}

# Also an instance whose next master does not publish any more.
test_everybody_killed() {
	start
	submit p 60000 --tag long
	state_is long running
	slay "$MASTER"
	sed -i '/^publish/d' "$INI"
	start_master
	expect 1 "${PUBLISH[@]}" get long
	publish_ini
	expect 0 ym reload
	state_is long running
	# shellcheck disable=SC2046 # several words
	slay "$MASTER" $(worker_pids p)
	wait_until 10 is 0 ipc_objects
}

# ---- room -------------------------------------------------------------------------------------------------------------

test_full() {
	local i last
	start "publish_size = 16kb"
	for ((i = 0; i < 60; i++)); do
		echo 80 >>"$DIR/payloads"
	done
	submit p 60000 --tag first
	state_is first running
	expect 0 ym submit p --lines <"$DIR/payloads"
	last=$(tail -n 1 <<<"$OUT")
	wait_until 10 logged "no room for"
	expect 0 ym status
	[[ $OUT =~ progress\ for\ PHP\ in\ segment\ 0x79[0-9a-f]{6}:.*,\ NO\ ROOM\ for\ [0-9]+\ more ]] || fail "status: $OUT"
	expect 0 ym status --json
	[[ $OUT =~ \"publish\":\ \{\"key\":\ [0-9]+,\ \"bytes\":\ 16384,.*\"left_out\":\ [1-9] ]] || fail "status --json: $OUT"
	(($(shown "=0" left_out) > 10)) || fail "left out: $(shown "=0" left_out)"
	assert_equal '"running"' "$(shown first state)" "the job that runs"
	wait_until 20 is "done" job_state "$last"
	# Nothing is left out when they are over; of those that are, the newest are shown.
	wait_until 10 shown_is 0 =0 left_out
	wait_until 10 shown_is '"done"' "=-$last" state
	submit p 1 --tag newest
	state_is newest "done"
	assert_equal '"running"' "$(shown first state)" "the job that runs"
	assert_equal 1 "$(grep -c "no room for" "$LOG")" "lines in the log"
	expect 0 "$YARDMASTER" shm dump "$RUN/progress:y" --lock "$RUN/members:y"
	stop_master --now
}
