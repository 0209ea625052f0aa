# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016 # PHP in single quotes
# groups.sh - scripts that know nothing but sem_get() are full participants of groups and instances.

. "$SOURCE/tests/interop/peers.sh"

SCRIPTS=(php perl python)

ledger() {
	write_ini <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
	EOF
}

# The key of a file of a directory, as scripts compute it; in KEY.
key_of() { # LANGUAGE FILE
	start_peer keys "$1"
	tell keys ftok keys "$2" 121
	hear keys
	KEY=$ANSWER
	[[ $KEY =~ ^-?[0-9]+$ ]] || fail "ftok of $2: $KEY"
	end_peer keys bye
}

# A script joins: in Perl and Python with the three operations of PHP's sem_get().
join() { # NAME KEY
	tell "$1" get members "$2" 1
	hear "$1"
	assert_equal joined "$ANSWER" "$1 joins"
}

nothing_is_left() {
	is 0 ipc_objects
}

# ---- instances ----------------------------------------------------------------------------------------------------

# How scripts end: the handle goes (PHP: the variable), the program ends, an exception, SIGKILL.
ENDS=(close bye throw kill)

# The master ends; everything stays until the script does.
test_script_keeps_an_instance() { # sanitized
	local language how objects
	need php perl python
	ledger
	for language in "${SCRIPTS[@]}"; do
		for how in "${ENDS[@]}"; do
			start_master
			objects=$(ipc_objects)
			key_of "$language" "$DIR/run/members"
			start_peer script "$language"
			join script "$KEY"
			stop_master
			assert_equal "$objects" "$(ipc_objects)" "objects that a script in $language keeps"
			if [[ $how == close ]]; then
				ask ok script close members
				wait_until 5 nothing_is_left
				end_peer script bye
			else
				end_peer script "$how"
			fi
			wait_until 5 nothing_is_left
		done
	done
}

# While a script is in, the next master takes over what is there, jobs and all; the script's end then ends nothing.
test_master_comes_back_to_a_script() { # sanitized
	local language
	need php perl python
	write_ini <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		workers = 2
		option.file = $DIR/ledger
	EOF
	for language in "${SCRIPTS[@]}"; do
		start_master
		key_of "$language" "$DIR/run/members"
		start_peer script "$language"
		join script "$KEY"
		submit ledger "1 60000"
		wait_until 5 has_lines "$DIR/ledger" 1
		submit ledger "2 0"
		stop_master --now
		expect 0 ym submit ledger "3 0"
		assert_contains "has no master right now: the job is safe" "$ERR" "submit while only the script is there"
		rm "$DIR/ledger"
		start_master
		wait_until 5 is "done" job_state "$JOB"
		end_peer script kill
		expect 0 ym submit ledger "4 0" --wait
		stop_master --now
		wait_until 5 nothing_is_left
		rm -rf "$DIR/run"
		: >"$LOG"
	done
}

# All of ours are killed, the guardian last but for the script; what is left is removed when the script ends.
test_only_the_script_survives() { # sanitized
	local how workers
	need php
	ledger
	for how in bye kill; do
		start_master
		key_of php "$DIR/run/members"
		start_peer script php
		join script "$KEY"
		wait_until 5 eval '[[ -n $(guardian_pid) ]]'
		mapfile -t workers < <(worker_pids ledger)
		slay "$MASTER" "${workers[@]}"
		(($(ipc_objects) > 0)) || fail "everything is gone"
		end_peer script "$how"
		wait_until 5 nothing_is_left
	done
}

# The key is a script's: the master says so, and waits; it starts as soon as the script ends.
test_script_came_first() { # sanitized
	local language how
	need php perl python
	ledger
	for language in "${SCRIPTS[@]}"; do
		for how in bye kill; do
			mkdir -p "$DIR/run"
			: >"$DIR/run/members"
			: >"$LOG"
			key_of "$language" "$DIR/run/members"
			start_peer script "$language"
			tell script get members "$KEY" 1
			hear script
			launch_master
			wait_until 5 logged "waiting: a script (last seen pid ${PEER_PID[script]}) holds the group's key"
			ended "$MASTER" && fail "the master did not wait"
			end_peer script "$how"
			wait_until 5 logged "is up (pid $MASTER,"
			expect 0 ym submit ledger "1 0" --wait
			stop_master
			wait_until 5 nothing_is_left
		done
	done
}

# ---- limits -------------------------------------------------------------------------------------------------------

LIMIT=0x59004321

shared_limit() {
	write_ini <<-EOF
		[limit:shared]
		max = 2
		key = $LIMIT
		[pool:limited]
		plugin = $PLUGINS/sleep.so
		workers = 3
		limits = shared
	EOF
}

# One unit is the script's, the other one the worker's; the next job waits until the script is killed.
test_limit_shared_with_a_script() { # sanitized
	local language first how
	need php perl python
	shared_limit
	start_master
	for language in "${SCRIPTS[@]}"; do
		for how in release bye kill; do
			start_peer script "$language"
			# Its number does not count: the master was there first.
			tell script get limit "$LIMIT" 9
			hear script
			assert_equal joined "$ANSWER" "$language"
			ask taken script acquire limit
			submit limited 60000
			first=$JOB
			wait_until 5 is running job_state "$first"
			ask busy script try limit
			submit limited 1
			wait_until 5 is shared job_field "$JOB" waits_for_limit
			if [[ $how == release ]]; then
				ask ok script release limit
				wait_until 5 is "done" job_state "$JOB"
				end_peer script bye
			else
				end_peer script "$how"
				wait_until 5 is "done" job_state "$JOB"
			fi
			expect 0 ym cancel "$first"
			wait_until 5 is cancelled job_state "$first"
		done
	done
	wait_until 5 is 0 cell shared USED
}

# A script waits for a unit that a worker holds; the worker is killed.
test_killed_worker_frees_the_unit_for_a_script() { # sanitized
	local language pid
	need php perl python
	write_ini <<-EOF
		[limit:shared]
		max = 1
		key = $LIMIT
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		limits = shared
		attempts = 1
		restart_delay = 10ms
		option.file = $DIR/ledger
	EOF
	start_master
	for language in "${SCRIPTS[@]}"; do
		start_peer script "$language"
		tell script get limit "$LIMIT" 1
		hear script
		: >"$DIR/ledger"
		submit ledger "1 60000"
		wait_until 5 has_lines "$DIR/ledger" 1
		pid=$(awk '{print $3}' "$DIR/ledger")
		tell script acquire limit
		wait_until 5 eval '"$YARDMASTER" sem stat $LIMIT --json | grep -q "\"waiting\": 1"'
		kill -KILL "$pid"
		hear script 5
		assert_equal taken "$ANSWER" "$language after the death of the worker"
		ask ok script release limit
		end_peer script bye
	done
}

# ---- groups of C programs -----------------------------------------------------------------------------------------

# A group with a guardian; GROUP is its directory.
make_group() {
	GROUP=$DIR/group
	mkdir -p "$GROUP"
	start_peer maker c
	ask fresh maker enter g "$GROUP" make
	ask ok maker guard g
	ask ok maker open g
}

# Everything of the group is where a script looks for it, and stays until the script ends, however it ends.
test_script_keeps_a_group() { # sanitized
	local language how objects
	need php perl python
	for language in "${SCRIPTS[@]}"; do
		for how in "${ENDS[@]}"; do
			make_group
			key_of "$language" "$GROUP/members"
			start_peer script "$language"
			join script "$KEY"
			objects=$(ipc_objects)
			if [[ $how == kill ]]; then
				end_peer maker kill
			else
				ask left maker leave g
				end_peer maker bye
			fi
			assert_equal "$objects" "$(ipc_objects)" "objects that a script in $language keeps"
			# Whoever comes now finds all of it; the script alone kept it.
			start_peer next c
			ask joined next enter g "$GROUP" join
			ask left next leave g
			end_peer next bye
			if [[ $how == close ]]; then
				ask ok script close members
				wait_until 5 nothing_is_left
				end_peer script bye
			else
				end_peer script "$how"
			fi
			wait_until 5 nothing_is_left
		done
	done
}

# Variables, queue and semaphore of the group in PHP, by ftok() alone.
test_php_uses_what_a_group_has() { # sanitized
	local settings letters lock
	need php
	make_group
	ask ok maker put g 1 "$(hex 's:4:"ours";')"
	ask sent maker send g 7 x6f757273 nowait
	ask taken maker acquire g
	start_peer script php
	key_of php "$GROUP/members"
	join script "$KEY"
	key_of php "$GROUP/settings"
	settings=$KEY
	key_of php "$GROUP/letters"
	letters=$KEY
	key_of php "$GROUP/lock"
	lock=$KEY
	ask ok script attach s "$settings" 99999
	ask "value $(hex 's:4:"ours";')" script fetch s 1
	ask ok script put s 2 "$(hex 's:3:"PHP";')"
	ask "value $(hex 's:3:"PHP";')" maker fetch g 2
	ask ok script queue q "$letters"
	ask "got 7 x6f757273" script receive q 0 8192 0
	ask sent script send q 8 x504850 wait
	ask "got 8 x504850" maker receive g 0 8192 0
	# Two units: one is taken. The group attached first, so PHP's number does not count.
	ask joined script get lock "$lock" 9
	ask taken script acquire lock
	ask busy script try lock
	ask busy maker try g
	ask ok script close lock
	ask taken maker try g
	# The maker is killed: the script still has it all.
	end_peer maker kill
	ask "value $(hex 's:4:"ours";')" script fetch s 1
	ask sent script send q 9 x71 wait
	ask joined script get lock "$lock" 3
	ask ok script close lock
	end_peer script kill
	wait_until 5 nothing_is_left
}

# The first member of a group's set is a mutex among scripts of any language.
test_scripts_exclude_each_other_by_the_key_of_a_group() { # sanitized
	local holder other
	need php perl python
	make_group
	key_of php "$GROUP/members"
	for holder in "${SCRIPTS[@]}"; do
		start_peer "$holder" "$holder"
		join "$holder" "$KEY"
	done
	for holder in "${SCRIPTS[@]}"; do
		ask taken "$holder" acquire members
		for other in "${SCRIPTS[@]}"; do
			ask busy "$other" try members
		done
		ask ok "$holder" release members
	done
	# It comes back from a dead one, like any unit.
	ask taken php acquire members
	tell perl acquire members
	wait_until 5 eval '"$YARDMASTER" sem stat "$KEY" --json | grep -q "\"waiting\": 1"'
	end_peer php kill
	hear perl
	assert_equal taken "$ANSWER" "after the death of the holder"
	ask left maker leave g
	end_peers
	wait_until 5 nothing_is_left
}

# Nobody guards it: what a killed script and a killed member leave behind is gone after the next one.
test_group_without_a_guardian() { # sanitized
	local objects
	need php
	GROUP=$DIR/group
	mkdir "$GROUP"
	start_peer maker c
	ask fresh maker enter g "$GROUP" make
	key_of php "$GROUP/members"
	start_peer script php
	join script "$KEY"
	objects=$(ipc_objects)
	end_peer maker kill
	end_peer script kill
	assert_equal "$objects" "$(ipc_objects)" "objects without a guardian"
	start_peer next c
	tell next enter g "$GROUP" make
	hear next
	[[ $ANSWER == orphan || $ANSWER == fresh ]] || fail "the next one: $ANSWER"
	ask last next leave g
	end_peer next bye
	nothing_is_left || fail "something is left"
}

# Scripts and C programs come and go, and are killed, in every order; in the end nothing is there.
test_many_come_and_go() { # sanitized
	local round language name last how
	need php perl python
	GROUP=$DIR/group
	mkdir "$GROUP"
	start_peer first c
	ask fresh first enter g "$GROUP" make
	ask ok first guard g
	last=first
	for ((round = 0; round < 12; round++)); do
		language=${LANGUAGES[round % 4]}
		name=$language$round
		start_peer "$name" "$language"
		if [[ $language == c ]]; then
			ask joined "$name" enter g "$GROUP" join
		else
			key_of "$language" "$GROUP/members"
			join "$name" "$KEY"
		fi
		# The one before goes, so that there always is somebody.
		how=${ENDS[1 + round / 4 % 3]}
		[[ $how != throw || $last != c* ]] || how=bye
		end_peer "$last" "$how"
		assert_equal 5 "$(ipc_objects)" "objects in round $round"
		last=$name
	done
	end_peer "$last" kill
	wait_until 5 nothing_is_left
}
