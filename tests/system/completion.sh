# shellcheck shell=bash disable=SC2016 # variables of other shells
# completion.sh - the scripts of `yardmaster completion` in real shells, all of them the same cases.

# Left of the bar what is typed before the key, right of it some candidates that have to be there, in the order of the
# alphabet; with = all that are.
cases() {
	cat <<-EOF
		yardmaster stat| =status
		yardmaster status --js| =--json
		yardmaster jobs ret| =retry
		yardmaster | run status submit
		yardmaster sem re| =release resize
		yardmaster jobs --state | buried delayed failed running waiting
		yardmaster jobs -s del| =delayed
		yardmaster top --view w| =workers
		yardmaster submit -c $DIR/test.ini | =mail maps
		yardmaster submit -c $DIR/test.ini --tag x ma| =mail maps
		yardmaster restart --all -c$DIR/test.ini w| =web
		yardmaster jobs -c $DIR/test.ini -p | =mail maps
		yardmaster submit -c $DIR/test.ini mail payload --priority | =high idle low normal urgent
		yardmaster signal web KIL| =KILL
		yardmaster completion | =bash fish zsh
		yardmaster frobnicate |=
		yardmaster status -c |
		yardmaster submit -c $DIR/missing.ini |=
		yardmaster submit -i missing |=
	EOF
}

prepare() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
	write_ini <<-EOF
		[pool:mail]
		plugin = $PLUGINS/sleep.so
		[pool:maps]
		plugin = $PLUGINS/sleep.so
		[program:web]
		command = sleep 1000
	EOF
	mkdir "$DIR/bin" "$DIR/functions" "$DIR/files"
	ln -s "$YARDMASTER" "$DIR/bin/yardmaster"
	: >"$DIR/files/alone.ini"
	export PATH=$DIR/bin:$PATH HOME=$DIR TERM=dumb
	cd "$DIR" || fail "no directory $DIR"
	expect 0 "$YARDMASTER" completion "$1"
	cp out "script.$1"
}

# $DIR/answers has for each line "== LINE", then its candidates.
check_answers() {
	local line wanted word given
	while IFS='|' read -r line wanted; do
		given=$(awk -v line="== $line" '/^== / {on = $0 == line; next} on && NF' answers | sort -u | paste -sd' ')
		grep -qxF -e "== $line" answers || fail "no answer to \"$line\": $(<answers)"
		if [[ $wanted == *=* ]]; then
			assert_equal "${wanted#*=}" "$given" "candidates for \"$line\""
			continue
		fi
		for word in $wanted; do
			[[ " $given " == *" $word "* ]] || fail "\"$line\": no \"$word\" in \"$given\""
		done
	done
}

# Words of the same jobs in each shell: those of the running instance.
check_jobs() { # FUNCTION
	start_master
	submit mail 60000 --tag holidays
	submit maps 60000
	cases_of_jobs >lines
	"$1" <lines
	check_answers <<<"$(<lines)"
}

cases_of_jobs() {
	cat <<-EOF
		yardmaster cancel -c $INI | =1 2
		yardmaster jobs -c $INI --tag | =holidays
		yardmaster show -c $INI 2| =2
	EOF
}

# ---- bash -------------------------------------------------------------------------------------------------------------

# As bash divides a line: at blanks, and at = and :, which are words of their own.
in_bash() {
	local line
	cat >type.bash <<-'EOF'
		source script.bash
		COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
		mapfile -t COMP_WORDS < <(grep -o '[^ =:]\+\|[=:]' <<<"$1")
		[[ $1 != *' ' ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_yardmaster
		printf '== %s\n' "$1"
		printf '%s\n' "${COMPREPLY[@]}"
	EOF
	while IFS='|' read -r line _; do
		bash --norc type.bash "$line"
	done >answers
}

test_bash() {
	prepare bash
	cases >lines
	cat >>lines <<-EOF
		yardmaster run $DIR/files/| =$DIR/files/alone.ini
		yardmaster run ~/files/| =~/files/alone.ini
		yardmaster submit -c ~/test.ini mai| =mail
		yardmaster submit -c '$DIR/test.ini' mai| =mail
		yardmaster jobs --state=ru| =running
		yardmaster run --pidfile=$DIR/files/| =$DIR/files/alone.ini
		yardmaster store status sqlite:$DIR/files/| =$DIR/files/alone.ini
		yardmaster sem run name:x -- unshar| =unshare
		yardmaster sem run name:x unshare --| =
		$YARDMASTER stat| =status
	EOF
	in_bash <lines
	check_answers <lines
	check_jobs in_bash
	# In the middle of a line, what stands behind the cursor plays no part.
	bash --norc -c '
		source script.bash
		COMP_LINE="yardmaster status --js --foo" COMP_POINT=22 COMP_WORDS=(yardmaster status --js --foo) COMP_CWORD=2
		_yardmaster
		[[ ${COMPREPLY[*]} == --json ]]' || fail "in the middle of a line"
	complete=$(bash --norc -c 'source script.bash; complete -p yardmaster')
	assert_equal "complete -F _yardmaster yardmaster" "$complete" "what is asked for completions of yardmaster"
}

# ---- zsh --------------------------------------------------------------------------------------------------------------

# A zsh on a terminal of its own: types a line and the key, and writes down what compadd is given, until the line is read.
in_zsh() {
	: >answers
	cat >type.zsh <<-'EOF'
		zmodload zsh/zpty zsh/zselect
		zpty z zsh -f -i
		zpty -w z "fpath=($PWD/functions \$fpath); autoload -Uz compinit; compinit -u -D; ${2-}; zmodload zsh/complete"
		zpty -w z "compadd() { local -a found; builtin compadd -O found \"\$@\"; print -rl -- \$found >>answers; builtin compadd \"\$@\"; }"
		zpty -w z "report() { print -r -- BUFFER \$BUFFER >>answers; zle kill-buffer; : >typed.\$((++lines)); }; zle -N report"
		zpty -w z "bindkey '^I' complete-word; bindkey '^T' report"
		while IFS='|' read -r line rest; do
			((++lines))
			print -r -- "== $line" >>answers
			zpty -n -w z "$line"$'\t\x14'
			for ((i = 0; i < 1000; i++)); do
				zpty -r -t z output >/dev/null && continue
				[[ -e typed.$lines ]] && break
				zselect -t 1
			done
		done <$1
		zpty -d z
	EOF
	rm -f typed.*
	cat >typed
	zsh -f type.zsh typed "${1-}" >zsh.out 2>&1 || fail "zsh: $(<zsh.out)"
	# It asks for the same more than once; parts of a path are none.
	awk -F'\n' '/^== / {line = $0; print; next} /^BUFFER/ {next} !seen[line, $0]++' answers >answers.once
	grep '^== \|^BUFFER ' answers >buffers
	mv answers.once answers
}

test_zsh() {
	prepare zsh
	cp script.zsh functions/_yardmaster
	cases >lines
	echo "yardmaster jobs --state=ru| =running" >>lines
	in_zsh <lines
	check_answers <lines
	check_jobs in_zsh
	# Files are zsh's own affair: what becomes of the line.
	cat >lines <<-EOF
		yardmaster run $DIR/files/a|
		yardmaster run --pidfile=$DIR/files/a|
		yardmaster store status sqlite:$DIR/files/a|
		yardmaster submit -c ~/test.ini mai|
		yardmaster store status sq|
	EOF
	in_zsh <lines
	sed -n 's/^BUFFER //p' buffers >given
	cat >wanted <<-EOF
		yardmaster run $DIR/files/alone.ini 
		yardmaster run --pidfile=$DIR/files/alone.ini 
		yardmaster store status sqlite:$DIR/files/alone.ini 
		yardmaster submit -c ~/test.ini mail 
		yardmaster store status sqlite:
	EOF
	assert_equal "$(<wanted)" "$(<given)" "lines"
	# Without a place among the functions of zsh.
	rm functions/_yardmaster
	in_zsh "source $DIR/script.zsh" <<<"yardmaster stat|"
	check_answers <<<"yardmaster stat| =status"
}

# ---- fish -------------------------------------------------------------------------------------------------------------

in_fish() {
	cut -d'|' -f1 >typed
	fish --no-config -c '
		source script.fish
		while read --line line
			echo "== $line"
			complete -C "$line" | string replace -r \t.\* ""
		end <typed' >answers 2>fish.err || fail "fish: $(<fish.err)"
}

test_fish() {
	prepare fish
	cases >lines
	cat >>lines <<-EOF
		yardmaster run $DIR/files/| =$DIR/files/alone.ini
		yardmaster run ~/files/| =~/files/alone.ini
		yardmaster submit -c ~/test.ini mai| =mail
		yardmaster jobs --state=ru| =--state=running
		yardmaster run --pidfile=$DIR/files/| =--pidfile=$DIR/files/alone.ini
		yardmaster store status sqlite:$DIR/files/| =sqlite:$DIR/files/alone.ini
		yardmaster sem run name:x -- unshar| =unshare
	EOF
	in_fish <lines
	check_answers <lines
	check_jobs in_fish
}

# ---- the answers ------------------------------------------------------------------------------------------------------

# Nothing on stderr, nothing but 0, whatever the words are; and quickly.
test_answers() { # sanitized
	local start
	prepare bash
	expect 0 "$YARDMASTER" complete --
	expect 0 "$YARDMASTER" complete -- ""
	assert_contains $'run\tstart the master' "$OUT" "a verb with what it does"
	assert_lacks guardian "$OUT" "what is not for people"
	expect 0 "$YARDMASTER" complete -- submit -c "$DIR/files" ""
	assert_equal "" "$OUT$ERR" "a directory for an INI file"
	echo "[pool:" >bad.ini
	expect 0 "$YARDMASTER" complete -- submit -c bad.ini ""
	assert_equal "" "$OUT$ERR" "an INI file with mistakes"
	expect 0 "$YARDMASTER" complete -- cancel -c "$INI" -i both ""
	assert_equal "" "$OUT$ERR" "two instances"
	expect 0 "$YARDMASTER" complete -- cancel -c
	expect 0 "$YARDMASTER" complete -- run -
	assert_contains "--detach" "$OUT" "a dash alone"
	expect 0 "$YARDMASTER" complete -- run --
	expect 0 "$YARDMASTER" complete -- sem resize k -2 ""
	assert_contains "--timeout" "$OUT" "behind a negative number, which is an argument"
	expect 0 "$YARDMASTER" complete -- sem run k ls --
	assert_equal ":files" "$OUT" "an argument of another command"
	# The variable stands behind the empty word: it must not be read.
	expect 0 env -i mm=1 "$YARDMASTER" complete -- sem get k ""
	assert_contains "--max" "$OUT" "where there is no argument"
	assert_lacks ":lead" "$OUT" "where there is no argument"
	expect 0 "$YARDMASTER" complete -- status --json=
	expect 2 "$YARDMASTER" completion tcsh
	assert_contains "bash, zsh and fish" "$ERR" "another shell"
	start_master
	submit mail 1 --tag $'two\nlines'
	expect 0 "$YARDMASTER" complete -- jobs -c "$INI" -t ""
	assert_equal "" "$OUT" "a tag that is no word"
	start=$(now_ms)
	expect 0 "$YARDMASTER" complete -- cancel -c "$INI" ""
	assert_less 1000 $(($(now_ms) - start)) "milliseconds"
	# The jobs of a store may be far away: none is opened.
	kill -STOP "$MASTER"
	expect 0 "$YARDMASTER" complete -- cancel -c "$INI" ""
	kill -CONT "$MASTER"
	assert_contains $'1\tmail, ' "$OUT" "while the master does not answer"
	# Of more jobs than anybody would read, those that are not over, and the newest.
	seq -f '%.0f' 1200 >"$DIR/numbers"
	expect 0 ym submit maps --lines --quiet --delay 1d <"$DIR/numbers"
	expect 0 ym cancel --pool maps --id 2-1190
	expect 0 "$YARDMASTER" complete -- cancel -c "$INI" ""
	assert_equal 1000 "$(wc -l <<<"$OUT")" "jobs"
	assert_equal "1201 1200 1199" "$(cut -f 1 <<<"$OUT" | head -n 3 | paste -sd' ')" "the first jobs"
	assert_equal "1190 1189" "$(awk -F'[\t,]' '$3 == " cancelled" {print $1}' <<<"$OUT" | head -n 2 | paste -sd' ')" "those that are over"
}
