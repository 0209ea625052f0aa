# shellcheck shell=bash disable=SC2016 # those are variables of other shells and of PHP
# docs.sh - the documents against the program, the headers, and what they tell people to type.

README=$SOURCE/README.md
COMMANDS=$SOURCE/docs/commands.md
CONFIGURATION=$SOURCE/docs/configuration.md
IPC=$SOURCE/docs/ipc.md
MAN=$SOURCE/docs/man/yardmaster-ipc.3
MAN_CLIENT=$SOURCE/docs/man/yardmaster-client.3

# ---- commands -----------------------------------------------------------------------------------------------------

# From a heading to the next one of its rank.
section() { # FILE HEADING
	awk -v heading="$2" '
		/^```/ {code = !code}
		$0 == heading {on = 1; rank = index(heading, " "); next}
		on && !code && /^#+ / && index($0, " ") <= rank {exit}
		on' "$1"
}

# A command has a heading, and its options are in its section or in the one of its family.
check_command() { # HEADING TEXT WORDS...
	local option
	grep -qxF -e "$1" "$COMMANDS" || fail "docs/commands.md has no heading \"$1\""
	for option in $(options_in_help "${@:3}"); do
		[[ $option == --help ]] || grep -q -e "$option\b" <<<"$2" || fail "docs/commands.md: ${*:3} has an option $option"
	done
}

test_commands() {
	local command sub general text commands=0
	general=$(sed '/^## run$/q' "$COMMANDS")
	for command in $(commands_in_help); do
		text=$general$(section "$COMMANDS" "## $command")
		if has_subcommands "$command"; then
			for sub in $(commands_in_help "$command"); do
				check_command "### $command $sub" "$text" "$command" "$sub"
				commands=$((commands + 1))
			done
		else
			check_command "## $command" "$text" "$command"
			commands=$((commands + 1))
		fi
	done
	((commands > 30)) || fail "only $commands commands found"
}

# Each section of the INI has one of docs/configuration.md, with tables; what supervisord has, too, is told in text.
test_options_of_the_ini() {
	local heading option name text options=0
	while read -r heading option; do
		case $heading in
		both) text=$(section "$CONFIGURATION" "## Workers and processes") ;;
		supervisord) text=$(section "$CONFIGURATION" "## A supervisord.conf as it is") ;;
		include) text=$(section "$CONFIGURATION" "## [include]" | sed 's/^    /`/') ;;
		*) text=$(section "$CONFIGURATION" "## [$heading]" | grep '^|') ;;
		esac
		# Those of two log files are written once.
		name=$(sed 's/^std\(out\|err\)_logfile_/..._logfile_/' <<<"$option")
		[[ $text == *"\`$name\`"* || $text == *"\`$name = "* ]] ||
			fail "docs/configuration.md: [$heading] has an option $option"
		options=$((options + 1))
	done < <(ini_options)
	((options > 100)) || fail "only $options options found"
}

test_findings() {
	local code codes
	codes=$(sed -n 's/^\tX([A-Z_]*, "\([a-z-]*\)", [A-Z]*,.*/\1/p' "$SOURCE/runtime/commands/findings.h")
	(($(wc -w <<<"$codes") > 20)) || fail "only these codes found: $codes"
	for code in $codes; do
		grep -qF -e "\`$code\`" "$COMMANDS" || fail "docs/commands.md does not have the finding $code"
	done
}

# ---- JSON -----------------------------------------------------------------------------------------------------------

# Every member that is written has its place in the page.
test_json_members() {
	local member members
	members=$(sed -n 's/.*\(json_put_[a-z0-9]*\|json_open\|put_seconds\|put_span\|put_histogram\)(json, "\([a-z_]*\)".*/\2/p' \
		"$SOURCE/runtime/snapshot_json.c" "$SOURCE/runtime/commands/describe.c" | sort -u)
	(($(wc -w <<<"$members") > 60)) || fail "only these members found: $members"
	for member in $members; do
		grep -qF -e "\`$member\`" "$SOURCE/docs/json.md" || fail "docs/json.md does not name the member $member"
	done
}

# ---- the man page ---------------------------------------------------------------------------------------------------

# One line a function: RESULT NAME(PARAMETERS).
functions_in_headers() { # HEADER...
	local header
	for header; do
		perl -0777 -ne '
			s|/\*.*?\*/||gs;
			s|__attribute__\(\(.*?\)\)\)||g;
			while (/\b(YM_API|static inline) ([^;{(]*?)(\w+)\(([^;{]*?)\)\s*[;{]/gs) {
				my ($name, $line) = ($3, "$2$3($4)");
				$line =~ s/\s+/ /g;
				# These stand behind macros, which the page has.
				print "$line\n" unless $name =~ /^ym_err_(set|set_sys|put_before|failed)$/;
			}' "$SOURCE/$header"
	done
}

functions_in_man() { # PAGE
	awk '
		/^\.Ft / {result = substr($0, 5); gsub(/"/, "", result)}
		/^\.Fo / {name = $2; list = ""}
		/^\.Fa ".*/ && name {
			n = split(substr($0, 5), part, "\"")
			for (i = 2; i <= n; i += 2)
				list = list (list == "" ? "" : ", ") part[i]
		}
		/^\.Fa [^"]*$/ && name {list = list $2}
		/^\.Fc/ {print result (result ~ /\*$/ ? "" : " ") name "(" list ")"; name = ""}' "$1"
}

check_functions() { # PAGE MORE-THAN HEADER...
	functions_in_headers "${@:3}" | sort >"$DIR/headers"
	functions_in_man "$1" | sort >"$DIR/man"
	(($(wc -l <"$DIR/headers") > $2)) || fail "only $(wc -l <"$DIR/headers") functions found in the headers"
	diff "$DIR/headers" "$DIR/man" >"$DIR/diff" || fail "headers (<) against the man page (>): $(<"$DIR/diff")"
}

test_man_pages_have_every_function() {
	local headers
	mapfile -t headers < <(sed -n 's|^#include "\(ipc/.*\)"$|\1|p' "$SOURCE/ipc/ipc.h")
	check_functions "$MAN" 80 "${headers[@]}"
	check_functions "$MAN_CLIENT" 15 runtime/client.h
}

test_man_pages_are_well_formed() {
	local page
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	for page in "$SOURCE"/docs/man/*.3; do
		mandoc -Tlint -Wwarning "$page" >"$DIR/lint" 2>/dev/null || fail "mandoc: $(<"$DIR/lint")"
	done
}

# The example NAME.c, as it is shown.
man_example() { # NAME [PAGE]
	awk -v first="/* $1 - " '
		index($0, first) == 1 {on = 1}
		on && /^\.Ed/ {exit}
		on' "${2-$MAN}" | sed 's/\\e/\\/g; s/^\\&//' >"$DIR/$1"
	[[ -s $DIR/$1 ]] || fail "the man page has no example $1"
}

build() { # NAME
	"${CC:-gcc}" -std=gnu11 -O2 -Wall -Wextra -Wshadow -Wconversion -Werror -I"$BUILD/include" -o "$DIR/$1" "$DIR/$1.c" \
		-L"$BUILD" -lyardmaster >"$DIR/cc" 2>&1 || fail "cc of the example $1: $(<"$DIR/cc")"
}

test_man_page_examples() {
	export LD_LIBRARY_PATH=$BUILD
	man_example counter.c
	build counter
	expect 0 "$DIR/counter"
	assert_equal 1 "$OUT" "the first visit"
	expect 0 "$DIR/counter"
	assert_equal 2 "$OUT" "the second visit"
	expect 0 "$YARDMASTER" shm rm name:shop
	expect 0 "$YARDMASTER" sem rm name:shop
	man_example scores.c
	sed -i "s|/tmp/scores|$DIR/keys|" "$DIR/scores.c"
	mkdir "$DIR/keys"
	build scores
	expect 0 "$DIR/scores"
	assert_equal "the last one: everything is removed" "$OUT" "what the only player says"
	assert_equal 0 "$(ipc_objects)" "objects after the last one"
	man_example mail.c "$MAN_CLIENT"
	sed -i "s|NULL, NULL, &err|NULL, \"$DIR/run\", \&err|" "$DIR/mail.c"
	build mail
	expect 3 "$DIR/mail"
	write_ini <<<$'[pool:mail]\ncommand = grep -q @'
	start_master
	expect 0 "$DIR/mail"
	assert_equal "done " "$OUT" "how the mail ended"
	stop_master
}

# ---- what people are told to type -----------------------------------------------------------------------------------

need_php() {
	command -v php >/dev/null || skip "php is not installed"
	php -r 'exit((int) !(extension_loaded("sysvsem") && extension_loaded("sysvshm") && extension_loaded("sysvmsg")));' ||
		skip "php has no sysvsem, sysvshm or sysvmsg"
}

# The text between ```LANGUAGE and ```, the one that begins in a section.
fenced() { # FILE HEADING LANGUAGE
	section "$1" "$2" | awk -v fence='```'"$3" '$0 == fence {on = 1; next} on && /^```$/ {exit} on'
}

# Every command of the section, in its order, word for word.
test_readme() {
	local heading="## The IPC layer on its own" line lines
	need_php
	export LD_LIBRARY_PATH=$BUILD PATH=$DIR/bin:$PATH HOME=$DIR
	mkdir -p "$DIR/bin" "$DIR/ym"
	ln -s "$BUILD" "$DIR/ym/lib"
	ln -s "$YARDMASTER" "$DIR/bin/yardmaster"
	printf '#!/bin/sh\necho -I%s -L%s -lyardmaster\n' "$BUILD/include" "$BUILD" >"$DIR/bin/pkg-config"
	chmod +x "$DIR/bin/pkg-config"
	cd "$DIR" || fail "no directory $DIR"
	fenced "$README" "$heading" c >visits.c
	mapfile -t lines < <(section "$README" "$heading" | sed -n 's/^    //p')
	assert_equal 7 "${#lines[@]}" "commands in the section"
	for line in "${lines[@]}"; do
		expect 0 bash -c "$line"
		[[ $line != *"# prints "* ]] || assert_equal "${line##*# prints }" "$OUT" "output of: $line"
	done
	assert_equal 0 "$(ipc_objects)" "objects at the end"
}

test_other_languages() {
	local python=/usr/bin/python3
	need_php
	perl -MIPC::SysV -e 1 2>/dev/null || skip "perl has no IPC::SysV"
	"$python" -c 'import sysv_ipc' 2>/dev/null || skip "python3 has no sysv_ipc"
	cd "$DIR" || fail "no directory $DIR"
	fenced "$IPC" "### PHP" php >share.php
	fenced "$IPC" "### Perl" perl >share.pl
	fenced "$IPC" "### Python" python >share.py
	: >shared.key
	expect 0 php share.php
	assert_equal "" "$OUT$ERR" "what PHP says"
	expect 0 perl share.pl
	cp out said
	expect 0 "$python" share.py
	cat out >>said
	section "$IPC" "### Python" | sed -n '/^    \$ /,/^$/{/^    \$ /d;s/^    //p}' >promised
	assert_same_file promised said "output of the scripts, as in docs/ipc.md"
	expect 0 "$YARDMASTER" sem stat shared.key:c
	assert_contains "1 free, 0 attached" "$OUT" "the semaphore at the end"
	expect 0 "$YARDMASTER" sem rm shared.key:c
	expect 0 "$YARDMASTER" shm rm shared.key:c
	expect 0 "$YARDMASTER" msg rm shared.key:c
}

# What is to be copied into an INI file can be: from an indented [section] to the end of its block.
test_ini_of_the_stores() {
	local file
	for file in stores postgresql; do
		{
			sed -n '/^    \[/,/^[^ ]/s/^    //p' "$SOURCE/docs/$file.md"
			[[ $file == stores ]] || echo '[pool:mail]'
			echo 'command = true'
		} >"$DIR/test.ini"
		grep -q '^store = ' "$DIR/test.ini" || fail "docs/$file.md has no INI"
		"$YARDMASTER" check "$DIR/test.ini" >"$DIR/out" 2>&1
		# 1: there may be no such directory here
		(($? <= 1)) || fail "docs/$file.md: $(<"$DIR/out")"
	done
}

# ---- links ------------------------------------------------------------------------------------------------------------

# What GitHub makes of headings.
anchors() { # FILE
	sed -n 's/^#\+ //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

test_links() {
	local file link path anchor links=0
	for file in "$README" "$SOURCE"/docs/*.md "$SOURCE"/examples/*/README.md; do
		while read -r link; do
			path=${link%%#*} anchor=
			[[ $link != *'#'* ]] || anchor=${link#*#}
			path=${path:+$(dirname "$file")/$path}
			path=${path:-$file}
			[[ -e $path ]] || fail "$file: there is no $link"
			[[ -z $anchor ]] || anchors "$path" | grep -qxF -e "$anchor" || fail "$file: there is no heading $link"
			links=$((links + 1))
		done < <(tr '\n' ' ' <"$file" | grep -o '\](\([^)]*\))' | sed 's/^](//; s/)$//' | grep -v '^https\?:')
	done
	((links > 40)) || fail "only $links links found"
}
