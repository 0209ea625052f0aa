# shellcheck shell=bash disable=SC2016 # expressions in single quotes are for perl and awk
# ipc.sh - ipc ls, doctor and gc: each situation is made, explained, and cleared up; nothing else is touched.

# ---- what the tests are made of ------------------------------------------------------------------------------------

instance() {
	write_ini <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		limits = two
		[limit:two]
		max = 2
	EOF
}

ipc() { # SUBCOMMAND OPTIONS...
	"$YARDMASTER" ipc "$1" -c "$INI" "${@:2}"
}

# Id of an object of the instance: the kind and the name that `ls` shows.
id_of() { # KIND NAME
	ipc ls | awk -v kind="$1" -v name="$2" '$1 == kind && $2 == name {print $4}'
}

guardian() {
	ipc ls | awk '$1 == "guardian" {print $3}'
}

is_guarded() {
	[[ -n $(guardian) ]]
}

members() {
	ipc ls | sed -n 's/^  slot.* pid \([0-9]*\) *alive.*/\1/p'
}

count_members() {
	members | wc -l
}

jobs_done() {
	awk '$1 == "done" {print $2}' "$DIR/ledger" | sort -u | wc -l
}

# The guardian first, then all others at once: nobody is left to clear up.
kill_everything() {
	local guardian pids
	wait_until 5 is_guarded
	guardian=$(guardian)
	# The master would start another guardian.
	kill -STOP "$MASTER"
	slay "$guardian"
	mapfile -t pids < <(members)
	slay "${pids[@]}"
}

abandoned_with_jobs() { # JOBS
	local i
	instance
	start_master
	submit ledger "1 60000"
	wait_until 5 has_lines "$DIR/ledger" 1
	for ((i = 2; i <= $1; i++)); do
		submit ledger "$i 0"
	done
	kill_everything
	# The one that was running comes again as well.
	sed -i d "$DIR/ledger"
}

# Objects of other programs, which nobody may touch; their keys say who they are.
foreign_objects() {
	perl -e '
		use IPC::SysV qw(IPC_CREAT S_IRUSR S_IWUSR);
		my $flags = IPC_CREAT | 0600;
		semget(0x1001, 3, $flags) // die; semget(0x1002, 7, $flags) // die; semget(0x79001003, 7, $flags) // die;
		my $id = shmget(0x1004, 500, $flags) // die;
		shmwrite($id, "PHP_SM\0\0" . pack("q4", 40, 40, 460, 500), 0, 40) or die;
		$id = shmget(0x1005, 20000, $flags) // die;
		shmwrite($id, "whatever", 0, 8) or die;
		msgget(0x1006, $flags) // die;
	' || fail "no foreign objects"
	FOREIGN=6
}

foreign_are_there() {
	assert_equal "$FOREIGN" "$(awk '$1 ~ /^(409[78]|410[0-2]|2030047235)$/' /proc/sysvipc/{sem,shm,msg} | wc -l)" \
		"objects of others"
}

semop() { # ID MEMBER CHANGE... (in a process that ends at once: no undo)
	perl -e 'my $id = shift; semop($id, pack("s!*", map {int} @ARGV)) or die "semop: $!"' "$@" || fail "semop $*"
}

setval() { # ID MEMBER VALUE
	perl -e 'use IPC::SysV qw(SETVAL); semctl($ARGV[0], $ARGV[1], SETVAL, int $ARGV[2]) // die "semctl: $!"' "$@" ||
		fail "setval $*"
}

# A process that takes a unit of something with undo and is stopped; HOLDER is its pid.
stopped_holder() { # SET MEMBER
	perl -e '
		semop($ARGV[0], pack("s!3", $ARGV[1], 1, 010000)) or die "semop: $!";
		kill STOP => $$;
		sleep 60;
	' "$@" &
	HOLDER=$!
	wait_until 5 grep -q '^State:.T' "/proc/$HOLDER/status"
}

assert_finds() { # CODE...
	local code
	expect 1 ipc doctor
	for code in "$@"; do
		grep -qE "^(warning|problem) +$code: " "$DIR/out" || fail "doctor does not find $code: $OUT"
	done
}

assert_finds_not() { # CODE...
	local code
	for code in "$@"; do
		assert_lacks " $code: " "$OUT" "doctor"
	done
}

# What the last doctor says to do about a finding.
advice() { # CODE
	awk -v code="$1:" '$2 == code {on = 1; next} on && $1 == "do:" {sub(/.*: /, ""); print; on = 0}' "$DIR/out"
}

assert_nothing_but_foreign() {
	assert_equal "$FOREIGN" "$(ipc_objects)" "IPC objects"
	foreign_are_there
}

check_json() { # PERL EXPRESSION OF $json
	perl -MJSON::PP -e 'my $json = decode_json(join "", <STDIN>); exit !eval($ARGV[0])' "$1" <"$DIR/out" ||
		fail "not so: $1 in $OUT"
}

# ---- healthy ---------------------------------------------------------------------------------------------------------

test_doctor_finds_nothing_wrong() { # sanitized
	instance
	start_master
	wait_until 5 is_guarded
	expect 0 ipc doctor
	assert_contains "ok       group-healthy: test (key 0x" "$OUT" "doctor"
	assert_contains "led by pid $MASTER (" "$OUT" "doctor"
	assert_contains "Nothing is wrong." "$OUT" "doctor"
	assert_contains "SEMMNI " "$OUT" "doctor"
	expect 0 ipc doctor --json
	check_json '$json->{worst} eq "ok" && $json->{groups}[0]{usage} == 2 && @{$json->{limits}} == 10'
	expect 0 ipc gc
	assert_equal "nothing to remove" "$OUT" "gc"
	expect 0 ym submit ledger "1 0" --wait
}

test_ls_shows_groups_and_others() { # sanitized
	instance
	foreign_objects
	expect 0 "$YARDMASTER" ipc ls
	assert_contains "no instance is running" "$OUT" "ls without any"
	expect 3 ipc ls
	start_master
	wait_until 5 is_guarded
	# Found without being named, though its directory is its own.
	expect 0 "$YARDMASTER" ipc ls
	assert_contains "run ($DIR/run)" "$OUT" "ls"
	assert_contains "has a master" "$OUT" "ls"
	assert_lacks "in no group" "$OUT" "ls"
	expect 0 "$YARDMASTER" ipc ls --all
	assert_equal 6 "$(sed '1,/^in no group$/d' "$DIR/out" | wc -l)" "lines of others"
	assert_contains "variables, uid 0         0x00001004" "$OUT" "ls --all"
	expect 0 "$YARDMASTER" ipc ls --all --json
	check_json '@{$json->{groups}} == 1 && @{$json->{others}} == 6'
	check_json '$json->{groups}[0]{leader}{pid} == '"$MASTER"' && @{$json->{groups}[0]{gone}} == 0'
	check_json '2 == grep {$_->{role} =~ /^(master|worker)$/ && $_->{alive}} @{$json->{groups}[0]{participants}}'
	check_json 'grep {$_->{name} eq "queue.ledger" && $_->{messages} == 0} @{$json->{groups}[0]{objects}}'
	stop_master
	expect 0 "$YARDMASTER" ipc gc
	assert_nothing_but_foreign
	ipcrm --all
}

# ---- nobody is left ----------------------------------------------------------------------------------------------------

test_everything_killed() { # sanitized
	local before
	foreign_objects
	abandoned_with_jobs 3
	before=$(ipc_objects)
	assert_finds group-abandoned
	assert_finds_not group-healthy participant-dead guardian-dead
	assert_contains "no participant, 3 unfinished jobs" "$OUT" "doctor"
	assert_equal "yardmaster ipc gc" "$(advice group-abandoned)" "advice"
	expect 0 ipc gc --dry-run
	assert_equal "$((before - FOREIGN))" "$(grep -c '^would remove' "$DIR/out")" "lines of the dry run"
	assert_equal "$before" "$(ipc_objects)" "IPC objects after the dry run"
	sed 's/^would remove/removed/' "$DIR/out" >"$DIR/dry"
	expect 0 "$YARDMASTER" ipc gc
	assert_equal "$(sed 's| test/| run/|' "$DIR/dry")" "$OUT" "what was removed"
	assert_nothing_but_foreign
	assert_equal 1 "$(backlogs)" "backlog files"
	assert_finds_nothing
	start_master
	wait_until 5 has_lines "$DIR/ledger" 1
	stop_master --now
	ipcrm --all
}

assert_finds_nothing() {
	expect 0 ipc doctor
	assert_contains "Nothing is wrong." "$OUT" "doctor"
}

# Killed while it made or removed the group: READY is 0.
test_half_made_group() {
	foreign_objects
	abandoned_with_jobs 2
	setval "$(id_of semaphore members)" 3 0
	assert_finds group-half-made
	assert_finds_not group-abandoned
	expect 0 ipc gc
	assert_contains "half made or half removed" "$OUT" "gc"
	assert_nothing_but_foreign
	assert_equal 1 "$(backlogs)" "backlog files"
	ipcrm --all
}

test_set_removed_by_hand() { # sanitized
	foreign_objects
	abandoned_with_jobs 2
	ipcrm -s "$(id_of semaphore members)"
	assert_finds set-removed
	assert_contains ", 2 unfinished jobs" "$OUT" "doctor"
	expect 0 ipc ls
	assert_contains "-1  GONE: removed by somebody else" "$OUT" "ls"
	expect 0 ipc gc -n
	assert_equal 0 "$(backlogs)" "backlog files"
	expect 0 ipc gc
	assert_nothing_but_foreign
	assert_equal 1 "$(backlogs)" "backlog files"
	ipcrm --all
}

# Without the list nobody knows what belongs to the group: only the set is removed, for the rest there is advice.
test_registry_removed_by_hand() {
	local id
	foreign_objects
	abandoned_with_jobs 2
	id=$(id_of semaphore members)
	ipcrm -m "$(id_of segment members)"
	assert_finds group-abandoned registry-removed stray-segment
	expect 1 "$YARDMASTER" ipc doctor
	assert_contains "note     set-like-group: semaphore set $id " "$OUT" "doctor without the directory"
	expect 0 "$YARDMASTER" ipc gc
	assert_equal "nothing to remove" "$OUT" "gc without the directory"
	expect 0 ipc gc
	assert_contains "removed semaphore test/members (key 0x" "$OUT" "gc"
	expect 0 ipc gc
	assert_equal "nothing to remove" "$OUT" "second gc"
	assert_finds stray-segment
	while read -r id; do
		$id || fail "$id"
	done < <(advice stray-segment)
	expect 0 ipc doctor
	foreign_are_there
	ipcrm --all
}

# As long as somebody has the list mapped, it is his to clear up: a guardian does.
test_registry_removed_but_mapped() {
	local before holder
	abandoned_with_jobs 1
	perl -MIPC::SharedMem -e '
		my $shm = IPC::SharedMem->new($ARGV[0], 0, 0) or die "shmget: $!";
		$shm->attach or die "shmat: $!";
		$| = 1;
		print "in\n";
		sleep 60;
	' "$(($(ipc ls | awk '$1 == "segment" && $2 == "members" {print $3}')))" >"$DIR/holder" &
	holder=$!
	wait_until 5 has_line "$DIR/holder" in
	ipcrm -m "$(id_of segment members)"
	assert_finds registry-removed
	assert_contains "by pid $holder (perl)" "$OUT" "doctor"
	before=$(ipc_objects)
	expect 0 ipc gc
	assert_equal "nothing to remove" "$OUT" "gc"
	assert_equal "$before" "$(ipc_objects)" "IPC objects"
	slay "$holder"
	expect 0 ipc gc
	assert_contains "removed semaphore test/members" "$OUT" "gc"
	ipcrm --all
}

# Named by its file, only this instance is looked at and cleared up.
test_only_the_one_that_is_named() {
	local first
	abandoned_with_jobs 1
	first=$(ipc_objects)
	sed -i "s|$DIR/run|$DIR/second|" "$INI"
	start_master
	wait_until 5 is_guarded
	expect 0 ipc ls
	assert_equal 1 "$(grep -c '^  semaphore  members ' "$DIR/out")" "groups"
	expect 0 ipc doctor
	kill_everything
	expect 0 ipc gc
	assert_equal "$first" "$(ipc_objects)" "IPC objects"
	expect 1 "$YARDMASTER" ipc doctor
	assert_contains "warning  group-abandoned: run (" "$OUT" "doctor of all"
	# Where its jobs would be kept is gone: then they stay where they are.
	mv "$DIR/run" "$DIR/moved"
	expect 1 "$YARDMASTER" ipc gc
	assert_contains "yardmaster: group run: " "$ERR" "gc"
	assert_equal "$first" "$(ipc_objects)" "IPC objects"
	mv "$DIR/moved" "$DIR/run"
	expect 0 "$YARDMASTER" ipc gc
	assert_equal 0 "$(ipc_objects)" "IPC objects"
	assert_equal 1 "$(backlogs)" "backlog files"
}

# ---- something is missing, somebody still there ----------------------------------------------------------------------

test_no_guardian_and_no_master() {
	local guardian
	instance
	start_master
	submit ledger "1 60000"
	wait_until 5 has_lines "$DIR/ledger" 1
	guardian=$(guardian)
	kill -STOP "$MASTER"
	slay "$guardian" "$MASTER"
	assert_finds guardian-dead participant-dead
	assert_finds_not group-abandoned
	expect 0 ipc gc
	assert_equal "nothing to remove" "$OUT" "gc with a worker"
	start_master
	wait_until 5 is_guarded
	assert_finds_nothing
	stop_master --now
}

test_set_removed_under_the_living() {
	local before pids
	instance
	start_master
	wait_until 5 is 2 count_members
	mapfile -t pids < <(members)
	kill -STOP "${pids[@]}"
	ipcrm -s "$(id_of semaphore members)"
	before=$(ipc_objects)
	assert_finds set-removed-live
	expect 0 ipc gc
	assert_contains "left group test ($DIR/run): somebody uses it" "$OUT" "gc"
	assert_equal "$before" "$(ipc_objects)" "IPC objects"
	slay "${pids[@]}"
	expect 0 ipc gc
	assert_equal 0 "$(ipc_objects)" "IPC objects"
}

test_parts_removed_or_added_by_hand() {
	local id
	instance
	start_master
	# A segment that is in use lives on without a key.
	ipcrm -m "$(id_of segment board)"
	assert_finds object-gone
	assert_contains 'segment "board" (key 0x' "$OUT" "doctor"
	assert_contains "note     segment-removed: " "$OUT" "doctor"
	assert_contains "pid $MASTER (" "$(grep segment-removed "$DIR/out")" "who holds it"
	expect 0 ipc ls
	assert_contains "GONE: removed by somebody else" "$OUT" "ls"
	: >"$DIR/run/extra"
	id=$(perl -MIPC::SysV=ftok,IPC_CREAT -e 'print msgget(ftok($ARGV[0], ord "y"), IPC_CREAT | 0600)' "$DIR/run/extra")
	assert_finds object-unregistered
	assert_equal "ipcrm -q $id" "$(advice object-unregistered)" "advice"
	stop_master
	expect 0 ipc gc
	assert_equal 1 "$(ipc_objects)" "IPC objects"
	ipcrm -q "$id"
}

test_stopped_holder_of_the_lock() { # sanitized
	foreign_objects
	abandoned_with_jobs 1
	stopped_holder "$(id_of semaphore members)" 2
	assert_finds lock-stuck
	assert_contains "pid $HOLDER (perl, stopped) has held LOCK" "$OUT" "doctor"
	assert_equal "kill -CONT $HOLDER" "$(advice lock-stuck)" "advice"
	expect 0 ipc gc
	assert_contains "left group test ($DIR/run): somebody uses it" "$OUT" "gc"
	slay "$HOLDER"
	assert_finds group-abandoned
	assert_finds_not lock-stuck
	expect 0 ipc gc
	assert_nothing_but_foreign
	# A holder that does not give back when it dies is none of ours, but it blocks us the same.
	abandoned_with_jobs 1
	semop "$(id_of semaphore members)" 2 1 0
	assert_finds lock-stuck
	assert_contains "LOCK is 1, but its last holder is pid" "$OUT" "doctor"
	semop "$(id_of semaphore members)" 2 -1 0
	expect 0 ipc gc
	assert_nothing_but_foreign
	ipcrm --all
}

# ---- semaphores of scripts -------------------------------------------------------------------------------------------

test_unused_semaphores() { # sanitized
	local used unused
	instance
	unused=$(perl -e 'print semget(0x2001, 3, 01600)')
	used=$(perl -e 'print semget(0x2002, 3, 01600)')
	perl -e 'print semget(0x2003, 4, 01600)' >/dev/null
	semop "$used" 1 1 0
	expect 0 ipc doctor
	assert_contains "1 semaphores nobody has open, ids $unused" "$OUT" "doctor"
	expect 0 ipc gc
	assert_equal "nothing to remove" "$OUT" "gc without the option"
	expect 0 ipc gc --unused-semaphores --dry-run
	assert_contains "would remove semaphore (key 0x00002001, id $unused)" "$OUT" "dry run"
	assert_equal 3 "$(ipc_objects)" "IPC objects"
	expect 0 ipc gc --unused-semaphores
	assert_equal "removed semaphore (key 0x00002001, id $unused)" "${OUT%%:*}" "gc"
	assert_equal 2 "$(ipc_objects)" "IPC objects"
	stopped_holder "$used" 2
	assert_finds semaphore-stuck
	assert_equal "kill -CONT $HOLDER" "$(advice semaphore-stuck)" "advice"
	slay "$HOLDER"
	semop "$used" 2 1 0
	assert_finds semaphore-stuck
	assert_equal "ipcrm -s $used" "$(advice semaphore-stuck)" "advice"
	ipcrm --all
}

# A limit that a script has taken over stays with it.
test_semaphore_in_use_outlives_its_group() {
	abandoned_with_jobs 1
	semop "$(id_of semaphore limit.two)" 1 1 0
	expect 0 ipc gc -n
	assert_contains "left semaphore test/limit.two" "$OUT" "dry run"
	expect 0 ipc gc
	assert_contains "left semaphore test/limit.two" "$OUT" "gc"
	assert_equal 1 "$(ipc_objects)" "IPC objects"
	ipcrm --all
}

# ---- surroundings ------------------------------------------------------------------------------------------------------

test_doctor_sees_a_limit() {
	instance
	{ echo 2 >/proc/sys/kernel/msgmni; } 2>/dev/null || skip "the sysctls cannot be set"
	perl -e 'msgget(0, 0600); msgget(0, 0600)'
	assert_finds limit-reached
	assert_contains "MSGMNI: 2 of 2 queues (100.0%)" "$OUT" "doctor"
	echo 5 >/proc/sys/kernel/msgmni
	expect 0 ipc doctor
	echo 1 >/proc/sys/kernel/shm_rmid_forced
	assert_finds rmid-forced
	ipcrm --all
}

test_doctor_sees_a_namespace_of_its_own() {
	instance
	unshare --ipc true || skip "no namespaces"
	expect 0 unshare --ipc "$YARDMASTER" ipc doctor
	assert_contains "note     namespace-own: " "$OUT" "doctor in a namespace"
	expect 0 "$YARDMASTER" ipc doctor
	assert_lacks "namespace-own" "$OUT" "doctor outside"
}

# ---- races -------------------------------------------------------------------------------------------------------------

# Collectors all the time, while the instance is started, killed and stopped: no job is lost, nobody is disturbed.
test_gc_while_others_come_and_go() {
	local round collector
	instance
	while :; do "$YARDMASTER" ipc gc; done >>"$DIR/collected" 2>&1 &
	collector=$!
	for round in 1 2 3 4 5 6; do
		start_master
		expect 0 ym submit ledger "$round 0"
		((round % 2)) || kill_everything
		# The last time they are not disturbed.
		((round < 6)) || wait_until 5 is 0 ipc_objects
		[[ -z $MASTER ]] || stop_master
	done
	slay "$collector"
	start_master
	wait_until 10 is 6 jobs_done
	assert_lacks "yardmaster: " "$(<"$DIR/collected")" "errors of the collectors"
}
