# shellcheck shell=bash source-path=SCRIPTDIR
# sem.sh - one semaphore for C, PHP, Perl and Python, in every combination.

. "$SOURCE/tests/interop/peers.sh"

KEY=0x5e30001

sem() { # SUBCOMMAND ARGUMENTS...
	"$YARDMASTER" sem "$1" "$KEY" "${@:2}"
}

state() { # NAME
	sem stat --json | sed -n "s/.*\"$1\": \\([0-9]*\\).*/\\1/p"
}

states() {
	sem stat --json | sed -n 's/.*"free": \([0-9]*\).*"attached": \([0-9]*\).*"waiting": \([0-9]*\).*/\1 \2 \3/p'
}

assert_states() { # FREE ATTACHED WAITING WHAT
	assert_equal "$1 $2 $3" "$(states)" "$4: free, attached, waiting"
}

remove() {
	expect 0 sem rm
	assert_equal 0 "$(ipc_objects)" "objects"
}

# A peer that is attached; in Perl, Python and C it says whether it was alone, too.
attach() { # NAME MAX
	tell "$1" get one "$KEY" "$2"
	hear "$1"
	[[ $ANSWER == alone || $ANSWER == joined ]] || fail "$1 cannot attach: $ANSWER"
}

# ---- exclusion ----------------------------------------------------------------------------------------------------

# Two of each language, all at once; a lost increment would be missing from the sum.
count_together() { # TIMES UNITS
	local language name names=()
	need php perl python
	echo 0 >"$DIR/counter"
	for language in "${LANGUAGES[@]}"; do
		for name in "$language"1 "$language"2; do
			start_peer "$name" "$language"
			attach "$name" "$2"
			names+=("$name")
		done
	done
	for name in "${names[@]}"; do
		tell "$name" count one "$DIR/counter" "$1"
	done
	for name in "${names[@]}"; do
		hear "$name" 40
		assert_equal ok "$ANSWER" "$name"
	done
	assert_states "$2" 8 0 "afterwards"
	end_peers
	assert_states "$2" 0 0 "at the end"
	remove
}

test_nobody_loses_an_increment() { # sanitized
	count_together 1500 1
	assert_equal 12000 "$(<"$DIR/counter")" "increments by eight processes"
}

# The same with a unit for each does lose some: otherwise this would prove nothing.
test_without_exclusion_increments_are_lost() { # sanitized
	count_together 1500 8
	[[ $(<"$DIR/counter") != 12000 ]] || fail "nothing was lost: the processes do not meet at all"
}

# Whoever has the unit, everybody else finds it taken, and takes it as soon as it is free.
test_each_excludes_each() { # sanitized
	local holder other
	need php perl python
	for holder in "${LANGUAGES[@]}"; do
		start_peer "$holder" "$holder"
		attach "$holder" 1
	done
	for holder in "${LANGUAGES[@]}"; do
		ask taken "$holder" try one
		for other in "${LANGUAGES[@]}"; do
			ask busy "$other" try one
		done
		for other in "${LANGUAGES[@]}"; do
			[[ $other != "$holder" ]] || continue
			tell "$other" acquire one
			wait_until 5 is "0 4 1" states
			ask ok "$holder" release one
			hear "$other"
			assert_equal taken "$ANSWER" "$other waiting for $holder"
			ask ok "$other" release one
			ask taken "$holder" try one
		done
		ask ok "$holder" release one
	done
	end_peers
	remove
}

# Several units: as many as there are, in any mixture.
test_units_are_shared() { # sanitized
	local language
	need php perl python
	for language in "${LANGUAGES[@]}"; do
		start_peer "$language" "$language"
		attach "$language" 6
	done
	for language in "${LANGUAGES[@]}" php c; do
		ask taken "$language" acquire one
	done
	assert_states 0 4 0 "six units"
	ask busy perl try one
	expect 1 sem try
	# Only one's own can be given back.
	ask ok perl release one
	ask_error "" perl release one
	ask ok php release one
	ask ok php release one
	ask_error "not currently acquired" php release one
	assert_states 3 4 0 "three given back"
	end_peers
	assert_states 6 0 0 "at the end"
	remove
}

# The command line is one more of them.
test_command_line() { # sanitized
	local language
	need php perl python
	for language in "${LANGUAGES[@]}"; do
		start_peer "$language" "$language"
		attach "$language" 1
		expect 0 sem acquire
		ask busy "$language" try one
		tell "$language" acquire one
		wait_until 5 is 1 state waiting
		expect 0 sem release
		hear "$language"
		assert_equal taken "$ANSWER" "$language"
		expect 1 sem try
		ask ok "$language" release one
		expect 0 sem run --try -- true
		end_peer "$language" bye
	done
	remove
}

# ---- max_acquire --------------------------------------------------------------------------------------------------

# The first one decides, the second one takes it as it is; whoever comes when nobody is left decides anew.
test_only_the_sole_user_sets_max() { # sanitized
	local first second
	need php perl python
	for first in "${LANGUAGES[@]}"; do
		for second in "${LANGUAGES[@]}"; do
			start_peer one "$first"
			start_peer two "$second"
			attach one 3
			assert_states 3 1 0 "$first first"
			attach two 5
			assert_states 3 2 0 "$second beside $first"
			ask taken one acquire one
			ask ok two close one
			attach two 7
			assert_states 2 2 0 "$second again, beside $first with a unit"
			ask ok one close one
			assert_states 3 1 0 "$first left"
			ask ok two close one
			assert_states 3 0 0 "both left"
			attach two 5
			assert_states 5 1 0 "$second alone"
			end_peers
		done
	done
	remove
}

# ---- ends ---------------------------------------------------------------------------------------------------------

# The unit and the user's count come back, however a process ends.
test_every_kind_of_end() { # sanitized
	local language how
	need php perl python
	expect 0 sem get --max 4
	for language in "${LANGUAGES[@]}"; do
		for how in close bye throw kill; do
			[[ $language-$how != c-throw ]] || continue
			start_peer one "$language"
			attach one 4
			tell one get two "$KEY" 4
			hear one
			assert_states 4 2 0 "two handles of one process in $language"
			ask taken one acquire one
			ask taken one acquire one
			ask taken one acquire two
			assert_states 1 2 0 "three units in $language"
			if [[ $how == close ]]; then
				ask ok one close one
				assert_states 3 1 0 "one handle of $language closed"
				ask ok one close two
				assert_states 4 0 0 "both handles of $language closed"
				end_peer one bye
			else
				end_peer one "$how"
			fi
			assert_states 4 0 0 "$language after $how"
		done
	done
	remove
}

# A holder is killed: the one that waits has the unit a moment later. Then that one is killed.
test_killed_holder_wakes_the_waiter() { # sanitized
	local holder waiter start
	need php perl python
	for holder in "${LANGUAGES[@]}"; do
		for waiter in "${LANGUAGES[@]}"; do
			start_peer holder "$holder"
			start_peer waiter "$waiter"
			attach holder 1
			attach waiter 1
			ask taken holder acquire one
			tell waiter acquire one
			wait_until 5 is "0 2 1" states
			start=$(now_ms)
			end_peer holder kill
			hear waiter 5
			assert_equal taken "$ANSWER" "$waiter after the death of $holder"
			assert_less 1000 $(($(now_ms) - start)) "ms from the death of $holder to the unit of $waiter"
			assert_states 0 1 0 "$waiter has it"
			end_peer waiter kill
			assert_states 1 0 0 "both are dead"
		done
	done
	remove
}

# A process that was killed while it waited has taken nothing.
test_killed_waiter() { # sanitized
	local waiter
	need php perl python
	start_peer holder c
	attach holder 1
	ask taken holder acquire one
	for waiter in "${LANGUAGES[@]}"; do
		start_peer waiter "$waiter"
		attach waiter 1
		tell waiter acquire one
		wait_until 5 is "0 2 1" states
		end_peer waiter kill
		assert_states 0 1 0 "after the death of $waiter"
	done
	ask ok holder release one
	assert_states 1 1 0 "the unit"
	end_peers
	remove
}

# auto_release = false: PHP's handle lasts as long as the process, and no longer.
test_php_without_auto_release() { # sanitized
	local how
	need php
	for how in bye throw kill; do
		start_peer script php
		start_peer other c
		ask joined script get one "$KEY" 1 keep
		ask taken script acquire one
		ask ok script close one
		assert_states 0 1 0 "closed"
		attach other 1
		tell other acquire one
		wait_until 5 is "0 2 1" states
		end_peer script "$how"
		hear other
		assert_equal taken "$ANSWER" "after $how"
		end_peer other bye
		assert_states 1 0 0 "at the end"
	done
	remove
}

# ---- removal ------------------------------------------------------------------------------------------------------

# What a waiter in a language says when the semaphore goes away.
gone() { # LANGUAGE
	case $1 in
	c) echo "was removed" ;;
	php | perl) echo "Identifier removed" ;;
	python) echo "ExistentialError" ;;
	esac
}

test_removed_under_waiters() { # sanitized
	local remover language
	need php perl python
	for remover in "${LANGUAGES[@]}" command; do
		start_peer remover "${remover/command/c}"
		attach remover 1
		ask taken remover acquire one
		for language in "${LANGUAGES[@]}"; do
			start_peer "$language" "$language"
			attach "$language" 1
			tell "$language" acquire one
		done
		wait_until 5 is "0 5 4" states
		# Not without force while somebody is there.
		expect 1 sem rm
		if [[ $remover == command ]]; then
			expect 0 sem rm --force
		else
			ask ok remover remove one
		fi
		for language in "${LANGUAGES[@]}"; do
			hear "$language" 5
			assert_contains "error" "$ANSWER" "$language, removed by $remover"
			assert_contains "$(gone "$language")" "$ANSWER" "$language, removed by $remover"
		done
		assert_equal 0 "$(ipc_objects)" "objects"
		# A new one is another one; leaving the old one harms nobody.
		for language in "${LANGUAGES[@]}"; do
			attach "$language" 2
		done
		assert_states 2 4 0 "the new one"
		end_peer remover bye
		assert_states 2 4 0 "the new one after the remover of the old one"
		end_peers
		assert_states 2 0 0 "the new one at the end"
		remove
	done
}

# ---- less than PHP's way ------------------------------------------------------------------------------------------

# Python's sysv_ipc as it is: it excludes and is excluded, but is not counted.
test_plain_python() { # sanitized
	need python
	start_peer other c
	start_peer python python
	attach other 1
	ask ok python plain one "$KEY"
	assert_states 1 1 0 "plain sysv_ipc is no user"
	ask taken python acquire one
	ask busy other try one
	tell other acquire one
	wait_until 5 is "0 1 1" states
	end_peer python kill
	hear other 5
	assert_equal taken "$ANSWER" "after the death of plain sysv_ipc"
	end_peers
	remove
}
