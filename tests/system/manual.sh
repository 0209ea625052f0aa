# shellcheck shell=bash
# manual.sh - the pages of the manual that the program writes: well formed, and nothing is missing.

# All pages into $DIR/man, and as text into $DIR/text.
write_pages() {
	local page
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	mkdir -p "$DIR/man" "$DIR/text"
	for page in $("$YARDMASTER" manual); do
		"$YARDMASTER" manual "$page" >"$DIR/man/$page" || fail "yardmaster manual $page"
		mandoc -T ascii -O width=200 "$DIR/man/$page" | col -b | expand >"$DIR/text/$page"
	done
	(($(find "$DIR/man" -type f | wc -l) > 7)) || fail "only these pages: $("$YARDMASTER" manual)"
}

# Even what is only a matter of style. Which pages the system has is not of interest; ours must be there.
test_pages_are_well_formed() {
	local page name section
	write_pages
	cp "$SOURCE"/docs/man/*.3 "$DIR/man"
	for page in $("$YARDMASTER" manual); do
		mandoc -T lint "$DIR/man/$page" 2>/dev/null | grep -v 'referenced manual not found' >"$DIR/lint"
		[[ ! -s $DIR/lint ]] || fail "mandoc: $(<"$DIR/lint")"
		while read -r name section; do
			[[ -e $DIR/man/$name.$section ]] || fail "$page: there is no page $name($section)"
		done < <(sed -n 's/^\.Xr \([^ ]*\) \([0-9]\).*/\1 \2/p' "$DIR/man/$page")
	done
	expect 2 "$YARDMASTER" manual yardmaster-jbos.1
	assert_contains 'did you mean "yardmaster-jobs.1"?' "$ERR" "unknown page"
	SOURCE_DATE_EPOCH=86400 "$YARDMASTER" manual yardmaster.1 | grep -qx '.Dd January 2, 1970' || fail "no date of a packager"
}

# What stands below a heading.
subsection() { # HEADING
	awk -v heading="   $1" '
		/^(   )?[^ ]/ {on = $0 == heading}
		on' "$DIR"/text/*.1
}

check_command() { # WORDS...
	local option text
	text=$(subsection "yardmaster $*")
	[[ -n $text ]] || fail "no page has the command $*"
	[[ $text != *"The same as yardmaster "* ]] || return 0
	for option in $(options_in_help "$@"); do
		[[ $option == --help ]] || grep -q -e "^     \(-., \)\?$option\( [^ ]*\)\?\(  .*\)\?$" <<<"$text" ||
			fail "the page of $* does not have $option: $text"
	done
}

test_pages_have_every_command() {
	local command sub commands=0
	write_pages
	for command in $(commands_in_help); do
		check_command "$command"
		grep -q "^     $command " "$DIR/text/yardmaster.1" || fail "yardmaster(1) does not have $command"
		commands=$((commands + 1))
		has_subcommands "$command" || continue
		for sub in $(commands_in_help "$command"); do
			check_command "$command" "$sub"
			commands=$((commands + 1))
		done
	done
	((commands > 50)) || fail "only $commands commands found"
}

test_page_of_the_ini_has_every_option() {
	local section option heading options=0
	write_pages
	while read -r section option; do
		heading="[$section]"
		[[ $section != both ]] || heading="[pool:NAME] and [program:NAME], both"
		awk -v heading="   $heading" -v option="     $option = " '
			/^(   )?[^ ]/ {on = $0 == heading}
			on && index($0, option) == 1 {found = 1}
			END {exit !found}' "$DIR/text/yardmaster.ini.5" || fail "yardmaster.ini(5): $heading has an option $option"
		options=$((options + 1))
	done < <(ini_options | sed 's/^\(pool\|limit\|program\|cron\) /\1:NAME /')
	((options > 100)) || fail "only $options options found"
	# From the table, and with what it says: default, alias, the other one, what a change means.
	grep -A3 '^     workers = N or MIN..MAX' "$DIR/text/yardmaster.ini.5" | tr -s ' \n' ' ' >"$DIR/entry"
	assert_contains "(also: numprocs). Default: 1." "$(<"$DIR/entry")" "an option with an alias"
	grep -A3 '^     plugin = path' "$DIR/text/yardmaster.ini.5" | tr -s ' \n' ' ' >"$DIR/entry"
	assert_contains "(or command). Required. A change replaces the workers." "$(<"$DIR/entry")" "a required option"
}

test_page_of_the_program_has_every_variable() {
	local name names=0
	write_pages
	for name in $(cd "$SOURCE" && cat {ipc,config,runtime,workers}/*.c runtime/*/*.c | grep -o 'getenv("[A-Z_]*")' | cut -d'"' -f2); do
		grep -q "^     $name\b" "$DIR/text/yardmaster.1" || fail "yardmaster(1) does not have the variable $name"
		names=$((names + 1))
	done
	((names > 5)) || fail "only $names variables found"
}
