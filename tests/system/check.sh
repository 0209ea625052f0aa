# shellcheck shell=bash disable=SC2016 # words in backquotes are meant as they are
# check.sh - configurations and plugins that cannot work, found before anything is started.

# The INI comes from stdin. Both `check` and `run` must refuse it, and name each of the words.
refused() { # WORDS...
	local word
	cat >"$INI"
	expect 2 "$YARDMASTER" check "$INI"
	for word in "$@"; do
		assert_contains "$word" "$ERR" "check of $(paste -sd'|' "$INI")"
	done
	expect 2 "$YARDMASTER" run "$INI"
	assert_contains "$1" "$ERR" "run of $(paste -sd'|' "$INI")"
}

test_good_file() { # sanitized
	write_ini <<-EOF
		[limit:l]
		max = 2
		[pool:echo]
		plugin = $PLUGINS/echo.so
		workers = 3
		limits = l
	EOF
	expect 0 "$YARDMASTER" check "$INI"
	assert_contains "ok: instance test, pools: 1, workers: 3, limits: 1, programs: 0, crons: 0" "$OUT" "check"
	expect 0 "$YARDMASTER" check --options
	assert_contains "restart_max_delay" "$OUT" "options"
	expect 2 "$YARDMASTER" check
	expect 2 "$YARDMASTER" check "$DIR/missing.ini"
	assert_contains missing.ini "$ERR" "missing file"
	assert_equal 0 "$(ipc_objects)" "IPC objects after check"
	[[ ! -e $DIR/run ]] || fail "check made the directory of the instance"
}

test_mistakes_in_the_file() { # sanitized
	local pool
	pool="plugin = $PLUGINS/echo.so"
	refused "test.ini:3:" '`worker`' '`workers`' <<<$'[pool:p]\n'"$pool"$'\nworker = 2'
	refused "test.ini:3:" 'workers' '1..' <<<$'[pool:p]\n'"$pool"$'\nworkers = 0'
	refused "test.ini:3:" 'workers' <<<$'[pool:p]\n'"$pool"$'\nworkers = two'
	refused "test.ini:3:" 'timeout' <<<$'[pool:p]\n'"$pool"$'\ntimeout = 5 parsecs'
	refused "test.ini:1:" 'plugin' <<<$'[pool:p]\nworkers = 1'
	refused "test.ini:3:" 'ftp' '`fto`' <<<$'[pool:p]\n'"$pool"$'\nlimits = fto\n[limit:ftp]\nmax = 1'
	refused "test.ini:1:" 'pool' <<<$'[pol:p]\n'"$pool"
	refused "test.ini" 'pool' <<<$'[yardmaster]\ninstance = x'
	refused "test.ini:2:" <<<$'[yardmaster]\nno equals sign\n[pool:p]\n'"$pool"
	refused "test.ini:2:" 'jobs' '64..1048576' <<<$'[yardmaster]\njobs = 63\n[pool:p]\n'"$pool"
}

test_every_mistake_is_told() {
	cat >"$INI" <<-EOF
		[yardmaster]
		job = 100
		[pool:p]
		plugin = $PLUGINS/echo.so
		workers = many
		attempts = 300
	EOF
	expect 2 "$YARDMASTER" check "$INI"
	assert_contains "test.ini:2:" "$ERR" "first mistake"
	assert_contains "test.ini:5:" "$ERR" "second mistake"
	assert_contains "test.ini:6:" "$ERR" "third mistake"
}

bad_plugin() { # FILE WORDS...
	refused "${@:2}" "$1" "test.ini:3: [pool:p] cannot run with this plugin" <<-EOF
		[yardmaster]
		directory = $DIR/run
		[pool:p]
		plugin = $1
	EOF
}

test_bad_plugins() {
	echo "this is text" >"$DIR/text.so"
	head -c 2000 "$PLUGINS/echo.so" >"$DIR/half.so"
	bad_plugin "$DIR/missing.so" "there is no such file"
	bad_plugin "$PLUGINS/wrong_abi.so" "was built for plugin ABI 2, this yardmaster speaks 1"
	bad_plugin "$PLUGINS/no_entry.so" 'has no "ym_plugin"'
	bad_plugin "$PLUGINS/no_run.so" "names no .run function"
	bad_plugin "$PLUGINS/undefined.so" "nobody_defines_this"
	bad_plugin "$PLUGINS/crash_load.so" "was killed by signal 11 (Segmentation fault)"
	bad_plugin "$DIR/text.so" "cannot be loaded"
	# Such a file may pass the first checks of the loader and break it later.
	bad_plugin "$DIR/half.so" "plugin $DIR/half.so: "
	bad_plugin "$DIR" "cannot be loaded"
}

bad_command() { # COMMAND WORDS...
	refused "${@:2}" "test.ini:3: [pool:p] cannot run with this command" <<-EOF
		[yardmaster]
		directory = $DIR/run
		[pool:p]
		command = $1 "an argument"
	EOF
}

test_bad_commands() { # sanitized
	echo "this is text" >"$DIR/text"
	bad_command "$DIR/missing" "command $DIR/missing: there is no such file"
	bad_command "./missing" "command $DIR/missing: there is no such file"
	bad_command "$DIR/text" "command $DIR/text: this user may not run it"
	bad_command "$DIR/text/x" "command $DIR/text/x: Not a directory"
	bad_command "$DIR" "command $DIR: Is a directory"
	bad_command no-such-program "command no-such-program: no such program in PATH, $PATH"
	refused "test.ini:2:" "sh -c" <<<$'[pool:p]\ncommand = a | b'
	refused "test.ini:3:" "\`command\`" "\`plugin\`" <<<$'[pool:p]\nplugin = x.so\ncommand = a'
}

test_good_commands() { # sanitized
	mkdir "$DIR/bin"
	ln -s /bin/true "$DIR/bin/task"
	write_ini <<-EOF
		[pool:absolute]
		command = /bin/true {file}
		[pool:relative]
		command = bin/task
		[pool:in_path]
		command = true
	EOF
	expect 0 "$YARDMASTER" check "$INI"
	expect 2 env PATH=/nonexistent:: "$YARDMASTER" check "$INI"
	assert_contains "[pool:in_path] cannot run with this command" "$ERR" "another PATH"
	# An empty entry is the current directory.
	cp "$DIR/bin/task" "$DIR/true"
	cd "$DIR" || fail "cd"
	expect 0 env PATH=/nonexistent:: "$YARDMASTER" check "$INI"
}

test_relative_plugin_and_other_directory() {
	mkdir "$DIR/sub"
	cp "$PLUGINS/echo.so" "$DIR/sub/"
	printf '[yardmaster]\ndirectory = ../run\n[pool:p]\nplugin = echo.so\n' >"$DIR/sub/test.ini"
	INI=$DIR/sub/test.ini
	cd / || fail "cd /"
	start_master
	expect 0 ym submit p x --wait
	assert_equal x "$OUT" "result"
	[[ -d $DIR/run ]] || fail "a relative directory does not start at the file"
}

# A plugin that does not open: the master says so and tries again, more and more slowly, until it does.
test_open_fails() { # sanitized
	write_ini <<-EOF
		[pool:late]
		plugin = $PLUGINS/bad_open.so
		option.file = $DIR/server
		restart_delay = 20ms
		restart_jitter = 0
		restart_max_delay = 100ms
		startretries = 1000
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	start_master
	submit late
	wait_until 10 logged "pool late: worker" 8
	assert_logged "late/"
	assert_logged "did not open: the server does not answer"
	assert_logged "next try in 20 ms"
	assert_logged "next try in 40 ms"
	assert_logged "next try in 80 ms"
	wait_until 5 logged "next try in 100 ms" 2
	wait_until 5 eval 'ym status | grep -q "^late .* degraded, exited with code 2: .*did not open"'
	expect 0 ym submit echo fine --wait
	: >"$DIR/server"
	wait_until 5 is "done" job_state 1
}

test_directory_of_somebody_else() {
	write_ini <<-EOF
		[pool:echo]
		plugin = $PLUGINS/echo.so
	EOF
	mkdir -m 777 "$DIR/run"
	expect 4 "$YARDMASTER" run "$INI"
	assert_contains "writable by nobody else" "$ERR" "directory that anybody may write"
}

# ---- where jobs wait -------------------------------------------------------------------------------

# One line about a store: the options stand in [yardmaster] and behind the pool p.
waits_in() { # LINE YARDMASTER_OPTIONS POOL_OPTIONS
	printf '[yardmaster]\ninstance = test\ndirectory = %s/run\n%s\n[pool:p]\ncommand = true\n%s\n' \
		"$DIR" "$2" "$3" >"$INI"
	expect 0 "$YARDMASTER" check "$INI"
	assert_equal "$1" "$(tail -n 1 <<<"$OUT")" "check with $2"
	assert_lacks secret "$OUT$ERR" "check with $2"
}

test_where_jobs_wait() { # sanitized
	local pg=postgresql://u:secret@db/jobs normal=$'synchronous = normal'
	waits_in "jobs wait in memory: no disk, they survive every crash but a reboot" "" ""
	waits_in "jobs wait in sqlite:$DIR/jobs.db, synchronous full, history 7d" "store = sqlite:jobs.db" ""
	waits_in "jobs wait in sqlite:$DIR/jobs.db, synchronous normal, no history" \
		$'store = sqlite:jobs.db\nhistory = 0' "$normal"
	waits_in "jobs wait in sqlite:$DIR/jobs.db, synchronous full (p, r: normal), history 12h" \
		$'store = sqlite:jobs.db\nhistory = 12h' \
		"$normal"$'\n[pool:q]\ncommand = true\n[pool:r]\ncommand = true\n'"$normal"
	waits_in "jobs wait in postgresql://u:***@db/jobs, shared by all nodes; this one is named after host and instance, lease 10s, history 7d" \
		"store = $pg" ""
	waits_in "jobs wait in postgresql://u:***@db/jobs, shared by all nodes; this one is web-1, lease 1m, no history" \
		"store = $pg"$'\nnode = web-1\nlease = 60s\nhistory = 0' ""
	[[ ! -e $DIR/jobs.db ]] || fail "check made the file of the store"
}

# What is there for another kind of store is no mistake, but said.
test_idle_options_of_stores() { # sanitized
	waits_in "jobs wait in memory: no disk, they survive every crash but a reboot" \
		$'history = 1d\nlease = 5s\nnode = n' "synchronous = full"
	assert_contains "test.ini:4: note: \`history\` has no effect: with \`store = memory\`" "$ERR" "history"
	assert_contains "test.ini:5: note: \`lease\` has no effect: it is for \`store = postgresql://...\`" "$ERR" "lease"
	assert_contains "test.ini:6: note: \`node\` has no effect: it is for \`store = postgresql://...\`" "$ERR" "node"
	assert_contains "test.ini:9: note: \`synchronous\` has no effect: it is for \`store = sqlite:PATH\`" "$ERR" \
		"synchronous"
}

test_mistakes_in_the_store() { # sanitized
	local start=$'[pool:p]\ncommand = true\n[yardmaster]\nstore = ' limit=$'[limit:l]\nmax = 1\nscope = cluster'
	refused "test.ini:4: store = sqllite:x: must be memory, sqlite:PATH or postgresql://..." \
		'did you mean `sqlite:PATH`?' <<<"${start}sqllite:x"
	refused "test.ini:4:" "no path behind" <<<"${start}sqlite:"
	refused "test.ini:4:" "would be lost with the master" <<<"${start}sqlite::memory:"
	refused "test.ini:4:" "a plain path follows" <<<"${start}sqlite:///x"
	refused "test.ini:4:" "this is a directory" <<<"${start}sqlite:x/"
	refused "test.ini:4:" "too long for sqlite: at most 500 bytes" <<<"${start}sqlite:$(printf '%0501d' 1)"
	refused "test.ini:4:" "too long: at most 2048 bytes" <<<"${start}postgresql://$(printf '%02048d' 1)"
	refused "test.ini:4: store = postgresql://u:***@h/a b: white space in a URI is written %20" \
		<<<"${start}postgresql://u:secret@h/a b"
	assert_lacks secret "$ERR" "refused URI"
	refused "test.ini:7: scope = cluster takes a store that all machines share" \
		<<<"${start}sqlite:x"$'\n'"$limit"
}

# Whether sqlite could make its files there: check looks, and makes nothing.
place_refused() { # PATH WHAT [AS...]
	printf '[yardmaster]\nstore = sqlite:%s\n[pool:p]\ncommand = true\n' "$1" >"$INI"
	expect 1 "${@:3}" "$YARDMASTER" check "$INI"
	assert_equal "$INI: store = sqlite:$(dirname "$INI")/$1: $2" "$ERR" "check of $1"
	assert_equal "" "$OUT" "check of $1"
}

test_place_of_the_store() {
	local directory="the master must be able to make files there"
	local file="the master must be able to read and write this file"
	place_refused missing/x.db "directory $DIR/missing: No such file or directory: $directory"
	place_refused test.ini/x.db "directory $DIR/test.ini: Not a directory: $directory"
	mkdir "$DIR/place"
	place_refused place "this is no regular file: $file"
	mkfifo "$DIR/place/fifo"
	place_refused place/fifo "this is no regular file: $file"
	ln -s loop "$DIR/place/loop"
	place_refused place/loop "Too many levels of symbolic links: $file"
	: >"$DIR/place/x.db"
	waits_in "jobs wait in sqlite:$DIR/place/x.db, synchronous full, history 7d" "store = sqlite:place/x.db" ""
	[[ ! -s $DIR/place/x.db ]] || fail "check wrote to the file of the store"
}

# For root, everything is writable: as somebody else, below /tmp, which he can reach.
test_store_not_writable() {
	local -a nobody=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
	"${nobody[@]}" true 2>/dev/null || skip "only root can become another user"
	OPEN=$(mktemp -d /tmp/ym-check.XXXXXX) || fail "no directory"
	trap 'rm -rf "$OPEN"' EXIT
	cp "$YARDMASTER" "$OPEN"
	YARDMASTER=$OPEN/yardmaster INI=$OPEN/test.ini
	mkdir -m 755 "$OPEN/place"
	chmod 755 "$OPEN"
	place_refused place/x.db \
		"directory $OPEN/place: Permission denied: the master must be able to make files there" "${nobody[@]}"
	# The file says who must start the master; nobody is not asked for his permissions then.
	sed -i '1a user = root' "$INI"
	expect 0 "${nobody[@]}" "$YARDMASTER" check "$INI"
	chmod 777 "$OPEN/place"
	: >"$OPEN/place/x.db"
	chmod 444 "$OPEN/place/x.db"
	place_refused place/x.db "Permission denied: the master must be able to read and write this file" "${nobody[@]}"
	chmod 666 "$OPEN/place/x.db"
	expect 0 "${nobody[@]}" "$YARDMASTER" check "$INI"
}
