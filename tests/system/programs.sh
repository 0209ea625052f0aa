# shellcheck shell=bash disable=SC2016 # evaluated later
# programs.sh - [program:NAME]: files of supervisord's users as they are, states, signals, order, identity, logs, and a
# master that is killed while programs run.

# ---- asking -----------------------------------------------------------------------------------------------------------

# A field of a process, from `status --json`: state, pid, starts, reason.
process_field() { # PROCESS FIELD
	ym status --json | python3 -c '
import json, sys
for p in json.load(sys.stdin)["programs"]:
    if p["process"] == sys.argv[1]:
        print(p[sys.argv[2]])' "$@"
}

state() { # PROCESS
	process_field "$1" state
}

pid_of() { # PROCESS
	process_field "$1" pid
}

pids_of() { # PROGRAM
	ym status --json | python3 -c '
import json, sys
for p in json.load(sys.stdin)["programs"]:
    if p["program"] == sys.argv[1] and p["pid"]:
        print(p["pid"])' "$1" | sort
}

# Processes of programs in a state.
in_state() { # STATE
	ym status --json | grep -o "\"state\": \"$1\"" | wc -l
}

await_state() { # PROCESS STATE
	wait_until 10 is "$2" state "$1"
}

has_another_pid() { # PROCESS PID
	local pid
	pid=$(pid_of "$1")
	((pid != $2 && pid != 0))
}

# ---- files of other people ----------------------------------------------------------------------------------------

# Everything they name is there: in file systems of our own, which nobody else sees.
furnish() {
	local path
	setpriv --reuid=www-data --regid=nogroup --clear-groups true 2>/dev/null || skip "only root can start as another user"
	getent passwd www-data nobody >/dev/null || skip "needs the users www-data and nobody"
	for path in /srv /var/log /usr/local/bin /run /var/lib; do
		mount -t tmpfs -o mode=755 none "$path" 2>/dev/null || skip "cannot mount a tmpfs on $path"
	done
	mkdir -p /srv/conf /srv/site/venv/bin /srv/shop/current /srv/shop/shared/logs /var/log/{supervisor,celery} /var/lib/celery
	mkdir -m 1777 /srv/out
	# It says who it is, and then only signals end it.
	cat >/usr/local/bin/stub <<-'STUB'
		#!/bin/sh
		{
			echo "argv ${0##*/} $*"
			echo "cwd $(pwd)"
			echo "user $(id -un) umask $(umask)"
			env
		} >"/srv/out/$SUPERVISOR_PROCESS_NAME.$$"
		echo "start $SUPERVISOR_PROCESS_NAME" >>/srv/out/order
		leave() {
			echo "stop $SUPERVISOR_PROCESS_NAME $1" >>/srv/out/order
			exit 0
		}
		trap 'leave TERM' TERM
		trap 'leave INT' INT
		trap 'leave QUIT' QUIT
		echo "out of $SUPERVISOR_PROCESS_NAME"
		echo "err of $SUPERVISOR_PROCESS_NAME" >&2
		while :; do sleep 0.02; done
	STUB
	chmod 755 /usr/local/bin/stub
	: >/srv/out/order
	chmod 666 /srv/out/order
	for path in php gunicorn nginx redis-server; do
		cp /usr/local/bin/stub "/usr/local/bin/$path"
	done
	for path in celery crashmail; do
		cp /usr/local/bin/stub "/srv/site/venv/bin/$path"
	done
	cp -r "$SOURCE/tests/system/supervisord/." /srv/conf
	# What would be among the files of the system.
	sed -i 's|/usr/bin/redis-server|/usr/local/bin/redis-server|; s|/tmp/supervisord|/run/supervisord|' /srv/conf/web.conf
	export PATH=/usr/local/bin:$PATH
}

run_conf() { # FILE
	INI=/srv/conf/$1
	expect 0 "$YARDMASTER" check "$INI"
	NOTES=$ERR
	"$YARDMASTER" run "$INI" >"$LOG" 2>&1 &
	MASTER=$!
}

noted() { # TEXT
	assert_contains "$1" "$NOTES" "notes of the check"
}

starts_of() { # PROCESS
	grep -cx "start $1" /srv/out/order
}

# What a process has said of itself.
says() { # PROCESS LINE
	grep -qxF -e "$2" /srv/out/"$1".* || fail "$1 does not say \"$2\": $(cat /srv/out/"$1".*)"
}

test_laravel_conf() { # sanitized
	local i left
	furnish
	chown www-data /srv/shop/shared/logs
	run_conf laravel.conf
	wait_until 10 test -s /run/supervisord.pid
	assert_equal "$MASTER" "$(</run/supervisord.pid)" "pid file"
	for i in unix_http_server supervisorctl rpcinterface:supervisor group:laravel nodaemon minfds stdout_events_enabled; do
		noted "$i"
	done
	wait_until 20 is 11 in_state RUNNING
	for ((i = 0; i < 8; i++)); do
		says "laravel-worker_0$i" "user www-data umask 0022"
		says "laravel-worker_0$i" "cwd /srv/shop/current"
		says "laravel-worker_0$i" \
			"argv php /srv/shop/current/artisan queue:work redis --queue=high,default --sleep=3 --tries=3 --max-time=3600"
		says "laravel-worker_0$i" SUPERVISOR_GROUP_NAME=laravel-worker
		has_line /srv/shop/shared/logs/worker.log "out of laravel-worker_0$i" || fail "worker.log lacks process $i"
		has_line /srv/shop/shared/logs/worker.log "err of laravel-worker_0$i" || fail "worker.log lacks stderr of $i"
	done
	assert_equal RUNNING "$(state laravel-mail_02)" "numprocs_start = 1: the second one"
	has_line /srv/shop/shared/logs/laravel-mail_01.log "out of laravel-mail_01" || fail "log of a process of its own"
	expect 0 ym logs laravel-worker
	assert_contains "out of laravel-worker_07" "$OUT" "log of a program"
	expect 0 ym logs laravel-mail:laravel-mail_02
	assert_equal "out of laravel-mail_02"$'\n'"err of laravel-mail_02" "$OUT" "log of a process"
	expect 0 ym stop --timeout 20s
	assert_master_exits 0
	grep -q "stop laravel-worker_03 TERM" /srv/out/order || fail "no TERM: $(cat /srv/out/order)"
	# The shell of the scheduler was told alone, as supervisord does it.
	mapfile -t left < <(pgrep -f 'schedule:run|^sleep 60')
	((${#left[@]} == 0)) || slay "${left[@]}"
}

test_celery_conf() { # sanitized
	furnish
	run_conf celery.conf
	noted "eventlistener:crashmail"
	wait_until 20 has_line /srv/out/order "start celery"
	says celery "argv celery -A site worker --loglevel=INFO --concurrency=4 -n worker%h"
	says celery "BROKER_URL=amqp://guest:guest@localhost:5672//"
	says celery "SECRET_KEY=a,b=c;d"
	says celery PYTHONUNBUFFERED=1
	says celery HOME=/srv/conf
	says celery DJANGO_SETTINGS_MODULE=site.settings.production
	says celery "user root umask 0027"
	says celerybeat "argv celery -A site beat --schedule /var/lib/celery/beat.db --loglevel=INFO --pidfile="
	has_line /var/log/celery/worker.log "out of celery" || fail "log of the worker"
	has_line /var/log/celery/beat.err "err of celerybeat" || fail "errors of beat"
	expect 0 ym stop --timeout 20s
	assert_master_exits 0
	# The one that started last stops first, and each with its own signal.
	assert_equal "stop celery TERM" "$(grep stop /srv/out/order | head -n 1)" "first to stop"
	grep -qx "stop celerybeat INT" /srv/out/order || fail "stopsignal of beat: $(cat /srv/out/order)"
}

test_web_conf() { # sanitized
	furnish
	run_conf web.conf
	noted stdout_capture_maxbytes
	wait_until 20 is 3 in_state RUNNING
	says redis "user nobody umask $(umask)"
	says redis "argv redis-server --save  --appendonly no"
	says gunicorn "argv gunicorn shop.wsgi:application --bind unix:/run/gunicorn.sock --workers 3 --access-logfile -"
	says gunicorn PATH=/usr/local/bin:/usr/bin:/bin
	says nginx "argv nginx -g daemon off;"
	assert_logged "out of gunicorn"
	assert_logged "err of nginx"
	expect 0 ym stop --timeout 20s
	assert_master_exits 0
	assert_equal "stop nginx QUIT stop gunicorn TERM stop redis TERM" \
		"$(grep stop /srv/out/order | tr '\n' ' ' | sed 's/ $//')" "order of the stop"
}

# ---- states -----------------------------------------------------------------------------------------------------------

# Programs from stdin; they may use the script "child NAME", which notes its start, its signals and its end in "seen".
programs() { # LINES FOR [yardmaster]...
	cat >"$DIR/child" <<-END
		#!/bin/bash
		name=\$1
		trap 'echo "\$name TERM" >>$DIR/seen; exit 0' TERM
		trap 'echo "\$name HUP" >>$DIR/seen' HUP
		trap 'echo "\$name USR1" >>$DIR/seen; exit 0' USR1
		echo "\$name start" >>$DIR/seen
		while :; do sleep 0.02; done
	END
	chmod 755 "$DIR/child"
	write_ini "$@"
}

seen() { # TEXT...
	has_line "$DIR/seen" "$*"
}

test_states() { # sanitized
	programs <<-END
		[program:slow]
		command = $DIR/child slow
		startsecs = 3600
		[program:good]
		command = $DIR/child good
		startsecs = 0
		[program:again]
		command = false
		restart_delay = 1h
		[program:never]
		command = sh -c 'echo cannot open the shop >&2; exit 3'
		startretries = 2
		restart_delay = 20ms
		[program:missing]
		command = $DIR/not-there
		startretries = 1
		restart_delay = 20ms
		[program:done]
		command = true
		startsecs = 0
		[program:later]
		command = $DIR/child later
		startsecs = 0
		autostart = false
	END
	start_master
	await_state never FATAL
	await_state missing FATAL
	await_state good RUNNING
	assert_equal STARTING "$(state slow)" "state before startsecs"
	assert_equal BACKOFF "$(state again)" "state between two tries"
	assert_equal EXITED "$(state "done")" "state after an expected end"
	assert_equal STOPPED "$(state later)" "state without autostart"
	assert_equal 3 "$(process_field never starts)" "starts with startretries = 2"
	assert_contains "exited with code 3: cannot open the shop" "$(process_field never reason)" "reason"
	assert_contains "not-there" "$(process_field missing reason)" "reason of one that is not there"
	expect 0 ym start later --wait
	assert_equal RUNNING "$(state later)" "state after start"
	expect 0 ym stop later --wait
	assert_equal STOPPED "$(state later)" "state after stop"
	seen later TERM || fail "it was not asked to stop"
	# From FATAL, too, it begins anew.
	expect 0 ym start never
	wait_until 10 is 6 process_field never starts
	await_state never FATAL
}

test_exit_codes() { # sanitized
	programs <<-END
		[program:expected]
		command = sh -c 'exit 7'
		startsecs = 0
		exitcodes = 0,7
		[program:unexpected]
		command = sh -c 'echo x >>$DIR/unexpected; exit 8'
		startsecs = 0
		restart_delay = 10ms
		exitcodes = 0,7
		[program:no]
		command = sh -c 'exit 8'
		startsecs = 0
		autorestart = false
		[program:always]
		command = sh -c 'echo x >>$DIR/always'
		startsecs = 0
		restart_delay = 10ms
		autorestart = true
	END
	start_master
	wait_until 10 has_lines "$DIR/unexpected" 3
	wait_until 10 has_lines "$DIR/always" 3
	assert_equal EXITED "$(state expected)" "after an expected code"
	assert_equal 1 "$(process_field expected starts)" "starts of it"
	assert_equal EXITED "$(state no)" "without autorestart"
}

# One that ends at once and well is not started a thousand times a second.
test_no_fork_storm() {
	local began
	programs <<-END
		[program:quick]
		command = sh -c 'echo x >>$DIR/quick'
		startsecs = 0
		autorestart = true
		restart_delay = 300ms
	END
	began=$(now_ms)
	start_master
	wait_until 10 has_lines "$DIR/quick" 4
	(($(now_ms) - began >= 3 * 300)) || fail "4 starts within $(($(now_ms) - began)) ms"
}

test_stop_signals() { # sanitized
	local pid
	programs <<-END
		[program:polite]
		command = $DIR/child polite
		stopsignal = USR1
		startsecs = 0
		[program:deaf]
		command = sh -c 'trap "" TERM; while :; do sleep 0.02; done'
		stopwaitsecs = 200ms
		startsecs = 0
	END
	start_master
	wait_until 5 seen polite start
	expect 0 ym stop polite --wait
	seen polite USR1 || fail "stopsignal"
	! seen polite TERM || fail "TERM besides stopsignal"
	pid=$(pid_of deaf)
	expect 0 ym stop deaf --wait
	wait_until 5 ended "$pid"
	assert_logged "program deaf (pid $pid) does not stop: killing it"
	expect 0 ym start polite --wait
	expect 0 ym signal polite HUP
	wait_until 5 seen polite HUP
	expect 1 ym signal deaf HUP
	expect 2 ym signal polite NONSENSE
}

# What a process has started itself: told with it, killed with it, or left alone.
test_grandchildren() { # sanitized
	local way pid
	for way in stopasgroup killasgroup none; do
		cat <<-END
			[program:$way]
			command = sh -c '$DIR/child below-$way & echo \$! >$DIR/$way; trap "" TERM; while :; do sleep 0.02; done'
			stopwaitsecs = 300ms
			startsecs = 0
			${way/none/nice = 0}$([[ $way == none ]] || echo " = true")
		END
	done >"$DIR/programs"
	programs <"$DIR/programs"
	start_master
	for way in stopasgroup killasgroup none; do
		wait_until 5 seen "below-$way start"
	done
	for way in stopasgroup killasgroup none; do
		expect 0 ym stop "$way" --wait
	done
	wait_until 5 ended "$(<"$DIR/stopasgroup")"
	wait_until 5 ended "$(<"$DIR/killasgroup")"
	seen below-stopasgroup TERM || fail "stopasgroup: the grandchild was not told"
	! seen below-killasgroup TERM || fail "killasgroup: the grandchild was told"
	pid=$(<"$DIR/none")
	! ended "$pid" || fail "a grandchild that is nobody's affair was killed"
	slay "$pid"
}

# The shell around it ends at the first signal; what it runs was told as well, and finishes what it does.
test_grandchild_finishes() {
	programs <<-END
		[program:wrapped]
		command = sh -c '(trap "sleep 0.3; echo finished >>$DIR/seen; exit" TERM; echo begun >>$DIR/seen; while :; do sleep 0.02; done); :'
		stopasgroup = true
		startsecs = 0
		[program:crashed]
		command = bash -c '$DIR/child orphan & echo \$! >$DIR/orphan; until [[ -e $DIR/go ]]; do sleep 0.02; done; exit 1'
		killasgroup = true
		startsecs = 0
		restart_delay = 1h
	END
	start_master
	wait_until 5 seen begun
	expect 0 ym stop wrapped --wait
	wait_until 5 seen finished
	# After a crash nobody is left who could tell them.
	wait_until 5 seen orphan start
	touch "$DIR/go"
	wait_until 5 ended "$(<"$DIR/orphan")"
	! seen orphan TERM || fail "the orphan of a crash was asked"
}

# ---- order and readiness ----------------------------------------------------------------------------------------------

test_order() { # sanitized
	programs <<-END
		[program:last]
		command = $DIR/child last
		priority = 30
		[program:first]
		command = $DIR/child first
		priority = 10
		[program:middle]
		command = $DIR/child middle
		priority = 20
	END
	start_master
	wait_until 5 has_lines "$DIR/seen" 3
	assert_equal "first middle last" "$(sed -n 's/.* program \([a-z]*\) started .*/\1/p' "$LOG" | xargs)" "order of the start"
	stop_master
	assert_equal "last TERM first middle" "$(sed -n '4p;6,$d' "$DIR/seen") $(grep start "$DIR/seen" | cut -d ' ' -f 1 | sort |
		grep -v last | xargs)" "first to stop"
	assert_equal "last middle first" "$(sed -n 's/ TERM//p' "$DIR/seen" | xargs)" "order of the stop"
}

# Of a pool, and of a program on a pool; by descriptor, by time and by command.
test_depends_on() { # sanitized
	local pool="plugin = $PLUGINS/echo.so"
	programs <<-END
		[program:base]
		command = bash -c 'until [[ -e $DIR/go ]]; do sleep 0.02; done; echo >&\$YARDMASTER_READY_FD; exec $DIR/child base'
		ready = fd
		[pool:work]
		$pool
		depends_on = base
		[program:asked]
		command = $DIR/child asked
		ready = command:test -e $DIR/yes
		depends_on = work
		[program:timed]
		command = $DIR/child timed
		ready = delay:300ms
		depends_on = asked
		[program:top]
		command = $DIR/child top
		depends_on = timed
	END
	start_master
	assert_equal STARTING "$(state base)" "one that has not said that it is ready"
	assert_equal "" "$(worker_pids work)" "workers before"
	assert_equal STOPPED "$(state asked)" "what waits for them"
	assert_contains "waits for work" "$(process_field asked reason)" "reason"
	touch "$DIR/go"
	wait_until 10 seen asked start
	assert_equal RUNNING "$(state base)" "the first one, when the last is there"
	assert_equal 1 "$(worker_pids work | wc -l)" "workers when the next one starts"
	assert_equal STARTING "$(state asked)" "one whose command says no"
	touch "$DIR/yes"
	wait_until 10 seen top start
	assert_equal RUNNING "$(state timed)" "the one before the last"
	stop_master
	assert_equal "top timed asked base" "$(sed -n 's/ TERM//p' "$DIR/seen" | xargs)" "order of the stop"
}

test_ready_timeout() {
	programs <<-END
		[program:mute]
		command = sleep 1000
		ready = fd
		ready_timeout = 100ms
		startretries = 1
		restart_delay = 10ms
		[program:next]
		command = $DIR/child next
		depends_on = mute
	END
	start_master
	await_state mute FATAL
	assert_contains "not ready after 100 ms" "$(process_field mute reason)" "reason"
	assert_equal STOPPED "$(state next)" "what depends on it"
	! seen next start || fail "it was started all the same"
}

# ---- what a process is started with --------------------------------------------------------------------------------

limit_of() { # PID NAME
	sed -n "s/^$2  *\\([^ ]*\\).*/\\1/p" "/proc/$1/limits"
}

test_persona() { # sanitized
	local pid
	mkdir "$DIR/there"
	programs <<-END
		[program:it]
		command = sh -c 'pwd >there; umask >>there; exec sleep 1000'
		directory = $DIR/there
		umask = 027
		environment = A="one, two",B=%(program_name)s-%(process_num)d
		clear_env = true
		nice = 5
		no_new_privs = true
		rlimit_files = 123
		rlimit_core = 0
		startsecs = 0
	END
	export YM_TEST_SECRET=1
	start_master
	wait_until 5 has_lines "$DIR/there/there" 2
	assert_equal "$DIR/there 0027" "$(xargs <"$DIR/there/there")" "directory and umask"
	pid=$(pid_of it)
	tr '\0' '\n' <"/proc/$pid/environ" | sort >"$DIR/environment"
	has_line "$DIR/environment" "A=one, two" || fail "environment: $(<"$DIR/environment")"
	has_line "$DIR/environment" "B=it-0" || fail "environment: $(<"$DIR/environment")"
	has_line "$DIR/environment" SUPERVISOR_PROCESS_NAME=it || fail "environment: $(<"$DIR/environment")"
	! grep -q YM_TEST_SECRET "$DIR/environment" || fail "clear_env: $(<"$DIR/environment")"
	assert_equal 5 "$(ps -o ni= -p "$pid" | tr -d ' ')" "nice"
	assert_equal 1 "$(sed -n 's/^NoNewPrivs:\t//p' "/proc/$pid/status")" "no_new_privs"
	assert_equal 123 "$(limit_of "$pid" 'Max open files')" "rlimit_files"
	assert_equal 0 "$(limit_of "$pid" 'Max core file size')" "rlimit_core"
	assert_equal "$(readlink "/proc/$pid/fd/0")" /dev/null "stdin"
	assert_equal "0 1 2" "$(find "/proc/$pid/fd" -mindepth 1 -printf '%f\n' | sort -n | xargs)" "open files"
}

test_user() {
	local pid
	setpriv --reuid=nobody --regid=nogroup --clear-groups true 2>/dev/null || skip "only root can start as another user"
	programs <<-END
		[program:it]
		command = sleep 1000
		user = nobody
		startsecs = 0
	END
	start_master
	await_state it RUNNING
	pid=$(pid_of it)
	assert_equal "$(id -u nobody) $(id -u nobody) $(id -u nobody) $(id -u nobody)" \
		"$(sed -n 's/^Uid:\t//p' "/proc/$pid/status" | xargs)" "user"
	assert_equal "$(id -G nobody)" "$(sed -n 's/^Groups:\t//p' "/proc/$pid/status" | xargs)" "groups"
	tr '\0' '\n' <"/proc/$pid/environ" | grep -qx USER=nobody || fail "USER: $(tr '\0' '\n' <"/proc/$pid/environ")"
}

refused() { # PATH
	expect 4 "$YARDMASTER" check "$INI"
	assert_contains "yardmaster: $1 " "$ERR" "check"
	assert_contains "is writable by others" "$ERR" "check"
	expect 4 "$YARDMASTER" run "$INI"
}

# Whoever may change what root runs is root.
test_trust() {
	((EUID == 0)) || skip "only root has to trust"
	[[ $(readlink /proc/self/ns/user) == "$(readlink "/proc/$PPID/ns/user")" ]] || skip "needs the real root"
	cp "$(command -v sleep)" "$DIR/nap"
	mkdir "$DIR/bin"
	cp "$DIR/nap" "$DIR/bin/napper"
	programs <<<$'[program:it]\n'"command = $DIR/nap 1000"
	expect 0 "$YARDMASTER" check "$INI"
	chmod 777 "$DIR/nap"
	refused "$DIR/nap"
	# Behind a template, and in the program's own PATH.
	programs <<<$'[program:it]\ncommand = %(here)s/nap 1000'
	refused "$DIR/nap"
	programs <<<$'[program:it]\ncommand = napper 1000\nenvironment = PATH='"\"$DIR/bin\""
	expect 0 "$YARDMASTER" check "$INI"
	chmod 777 "$DIR/bin"
	refused "$DIR/bin"
	chmod 755 "$DIR/bin"
	programs <<<$'[program:it]\ncommand = sleep 1000\nready = command:%(here)s/nap 0'
	refused "$DIR/nap"
	# What another user runs is his own affair.
	programs <<<$'[program:it]\n'"command = $DIR/nap 1000"$'\nuser = nobody'
	expect 0 "$YARDMASTER" check "$INI"
	programs <<<$'[program:it]\ncommand = sleep 1000'
	chmod 666 "$INI"
	refused "$INI"
	chmod 644 "$INI"
}

test_mistakes() { # sanitized
	programs <<<$'[program:it]\n'"command = $DIR/child it"$'\ndirectory = /not/there'
	expect 2 "$YARDMASTER" check "$INI"
	assert_contains "[program:it]" "$ERR" "a directory"
	assert_contains /not/there "$ERR" "a directory"
	programs <<<$'[program:it]\ncommand = sleep 1000\nprocess_name = '"$(printf '%096d' 1)"
	expect 2 "$YARDMASTER" check "$INI"
	assert_contains "is no name: 1 to 95 characters" "$ERR" "a long name"
	# The others can run without it.
	programs <<<$'[program:it]\n'"command = $DIR/not-there"
	expect 0 "$YARDMASTER" check "$INI"
	assert_contains "note: [program:it] will fail to start" "$ERR" "a command"
	assert_contains "programs: 1," "$OUT" "check"
}

# ---- changes ----------------------------------------------------------------------------------------------------------

test_restart() { # sanitized
	local before other
	programs <<-END
		[program:many]
		command = $DIR/child many
		numprocs = 3
		process_name = %(process_num)02d
		startsecs = 100ms
		[program:other]
		command = $DIR/child other
		startsecs = 0
	END
	start_master
	wait_until 10 is 4 in_state RUNNING
	before=$(pids_of many) other=$(pid_of other)
	expect 0 ym restart many --wait
	assert_equal 3 "$(pids_of many | wc -l)" "processes"
	assert_equal "" "$(comm -12 <(echo "$before") <(pids_of many))" "processes of before"
	assert_equal "$other" "$(pid_of other)" "pid of the other one"
}

test_reload() { # sanitized
	local stays more
	programs <<-END
		[program:stays]
		command = $DIR/child stays
		startsecs = 0
		[program:changes]
		command = $DIR/child changes
		startsecs = 0
		[program:more]
		command = $DIR/child more
		process_name = more_%(process_num)d
		numprocs = 2
		startsecs = 0
		[program:goes]
		command = $DIR/child goes
		startsecs = 0
	END
	start_master
	wait_until 10 is 5 in_state RUNNING
	stays=$(pid_of stays) more=$(pids_of more)
	programs <<-END
		[program:stays]
		command = $DIR/child stays
		startsecs = 0
		[program:changes]
		command = $DIR/child changed
		startsecs = 0
		[program:more]
		command = $DIR/child more
		process_name = more_%(process_num)d
		numprocs = 3
		startsecs = 0
		[program:comes]
		command = $DIR/child comes
		startsecs = 0
	END
	expect 0 ym reload
	wait_until 10 seen changed start
	wait_until 10 seen comes start
	wait_until 10 seen goes TERM
	wait_until 10 is "" state goes
	wait_until 10 is RUNNING state more_2
	assert_equal "$stays" "$(pid_of stays)" "pid of what has not changed"
	assert_equal "$more" "$(pids_of more | comm -12 - <(echo "$more"))" "processes that were there"
	! seen stays TERM || fail "it was stopped"
	assert_equal 2 "$(grep -c '^stays\|^comes' "$DIR/seen")" "starts"
}

taken_out_and_back() { # WHAT STAYS; the file "all" has it all
	programs <"$DIR/all"
	start_master
	submit work "1 500"
	wait_until 5 has_lines "$DIR/ledger" 1
	wait_until 5 seen slow start
	programs <<<"$1"
	expect 0 ym reload
	wait_until 5 logged "program slow (pid $(pid_of slow)): stopping it"
	programs <"$DIR/all"
	expect 0 ym reload
}

# A section that comes back before its last process has gone stays.
test_reload_there_and_back() { # sanitized
	cat >"$DIR/slow" <<-END
		#!/bin/bash
		trap 'sleep 0.5; exit' TERM
		echo slow start >>$DIR/seen
		while :; do sleep 0.02; done
	END
	chmod 755 "$DIR/slow"
	cat >"$DIR/all" <<-END
		[program:stays]
		command = $DIR/child stays
		[program:slow]
		command = $DIR/slow
		startsecs = 0
		[pool:work]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
	END
	taken_out_and_back $'[program:stays]\ncommand = '"$DIR/child stays"
	wait_until 5 is 2 grep -c 'slow start' "$DIR/seen"
	await_state slow RUNNING
	wait_until 5 is "done" job_state "$JOB"
	wait_until 5 is 1 eval 'worker_pids work | wc -l'
	expect 0 ym submit work "2 0" --wait
	assert_equal 1 "$(grep -c 'stays start' "$DIR/seen")" "starts of the one that stays"
}

# ---- logs -------------------------------------------------------------------------------------------------------------

numbers() { # FILES, OLDEST FIRST
	cat "$@" | awk 'NR == 1 {first = next_one = $1 + 0} $1 != next_one {print "gap at " $1; exit} {next_one++}
		END {print first "-" next_one - 1}'
}

# Not more than the queue to the writer holds: what comes faster than a disk takes it is lost, and counted.
test_rotation() { # sanitized
	programs <<-END
		[program:chatty]
		command = sh -c 'seq -f %%030.0f 5000; echo over >$DIR/over; exec sleep 1000'
		stdout_logfile = $DIR/chatty.log
		stdout_logfile_maxbytes = 20kb
		stdout_logfile_backups = 3
		stderr_logfile = NONE
		startsecs = 0
	END
	start_master
	wait_until 10 test -e "$DIR/over"
	wait_until 10 has_line "$DIR/chatty.log" "$(printf %030d 5000)"
	assert_equal "chatty.log chatty.log.1 chatty.log.2 chatty.log.3" "$(cd "$DIR" && echo chatty.log*)" "files"
	for file in "$DIR"/chatty.log*; do
		assert_less 20481 "$(stat -c %s "$file")" "size of $file"
	done
	[[ $(numbers "$DIR"/chatty.log.{3,2,1} "$DIR/chatty.log") == *-5000 ]] ||
		fail "lines: $(numbers "$DIR"/chatty.log.{3,2,1} "$DIR/chatty.log")"
	assert_lacks 0005000 "$(<"$LOG")" "the master's log"
}

test_streams() {
	programs <<-END
		[program:two]
		command = sh -c 'echo to out; echo to err >&2; exec sleep 1000'
		startsecs = 0
		[program:one]
		command = sh -c 'echo to out; echo to err >&2; exec sleep 1000'
		redirect_stderr = true
		stdout_logfile = $DIR/one.log
		startsecs = 0
	END
	start_master
	wait_until 5 has_lines "$DIR/one.log" 2
	assert_equal "to out to err" "$(xargs <"$DIR/one.log")" "redirect_stderr"
	wait_until 5 grep -q 'two: to err' "$DIR/run/logs/two.err"
	assert_lacks "to err" "$(<"$DIR/run/logs/two.log")" "stdout of the other"
	assert_logged "two: to out"
}

test_follow_over_a_restart() {
	programs <<-END
		[program:it]
		command = bash -c 'echo begin \$\$; trap "echo end \$\$; exit 0" TERM; while :; do sleep 0.02; done'
		startsecs = 0
	END
	start_master
	await_state it RUNNING
	ym_background logs it -f >"$DIR/followed"
	wait_until 5 has_lines "$DIR/followed" 1
	expect 0 ym restart it --wait
	wait_until 5 has_lines "$DIR/followed" 3
	kill "$CLIENT"
	wait "$CLIENT" 2>/dev/null
	assert_equal "begin end begin" "$(sed 's/.* it: \([a-z]*\) .*/\1/' "$DIR/followed" | xargs)" "what was followed"
}

test_json_and_reopen() { # sanitized
	printf 'quote " back \\ bell \007 bad \377\n' >"$DIR/odd"
	programs "log_format = json" "logfile = $DIR/json.log" <<-END
		[program:it]
		command = sh -c 'cat $DIR/odd; exec $DIR/child it'
		startsecs = 0
	END
	launch_master
	wait_until 10 seen it start
	mv "$DIR/json.log" "$DIR/json.old"
	kill -USR2 "$MASTER"
	wait_until 5 test -e "$DIR/json.log"
	expect 0 ym restart it --wait
	stop_master
	cat "$DIR/json.old" "$DIR/json.log" "$DIR/run/logs/it.log" >"$DIR/all"
	expect 0 python3 -c '
import json, sys
seen = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
assert all({"time", "level", "source", "message"} <= set(line) for line in seen), seen
print(sum("quote \"" in line["message"] for line in seen))' "$DIR/all"
	assert_equal 4 "$OUT" "lines with a quote: two starts, in two logs"
	grep -q "opening the log files anew" "$DIR/json.old" "$DIR/json.log" || fail "USR2 is not in the log"
}

test_journal() {
	programs "log_format = journal" <<-END
		[program:it]
		command = sh -c 'echo hello; exec sleep 1000'
		startsecs = 0
		[program:bad]
		command = false
		startretries = 0
	END
	launch_master
	wait_until 10 logged "<6>it: hello"
	wait_until 10 logged "<3>master: program bad is FATAL"
	assert_equal 0 "$(grep -vc '^<[0-7]>' "$LOG")" "lines without a level"
}

# ---- without a master -------------------------------------------------------------------------------------------------

test_master_killed() { # sanitized
	local before printed
	programs <<-END
		[program:talks]
		command = bash -c 'i=0; while :; do echo \$((i++)); echo \$i >$DIR/count; sleep 0.01; done'
		stdout_logfile = $DIR/talks.log
		[program:pair]
		command = $DIR/child pair
		process_name = %(process_num)d
		numprocs = 2
		startsecs = 0
		[program:twin]
		command = $DIR/child twin
		process_name = %(process_num)d
		numprocs = 2
		startsecs = 0
	END
	start_master
	wait_until 10 is 5 in_state RUNNING
	before=$(pids_of talks; pids_of pair; pids_of twin)
	slay "$MASTER"
	# It prints on: nobody reads, and it goes on all the same.
	printed=$(<"$DIR/count")
	wait_until 5 has_counted $((printed + 20))
	start_master
	wait_until 10 is 5 in_state RUNNING
	assert_equal "$before" "$(pids_of talks; pids_of pair; pids_of twin)" "processes"
	assert_equal 4 "$(grep -c start "$DIR/seen")" "starts"
	# Nothing of what was printed meanwhile is lost.
	wait_until 5 has_line "$DIR/talks.log" $((printed + 15))
	cp "$DIR/talks.log" "$DIR/copy"
	assert_equal "0-$(tail -n 1 "$DIR/copy")" "$(numbers "$DIR/copy")" "lines"
	# They are watched: one that dies is started again.
	kill -KILL "$(pid_of talks)"
	wait_until 10 has_another_pid talks "$(head -n 1 <<<"$before")"
	stop_master
	assert_equal 4 "$(grep -c TERM "$DIR/seen")" "ends of those that were taken over"
}

has_counted() { # NUMBER
	(($(<"$DIR/count") >= $1)) 2>/dev/null
}

# What is not configured any more has nobody who wants it.
test_master_killed_and_section_removed() {
	programs <<-END
		[program:old]
		command = $DIR/child old
		startsecs = 0
		[program:kept]
		command = $DIR/child kept
		startsecs = 0
	END
	start_master
	wait_until 5 has_lines "$DIR/seen" 2
	wait_until 10 is 2 in_state RUNNING
	slay "$MASTER"
	programs <<-END
		[program:kept]
		command = $DIR/child kept
		startsecs = 0
	END
	start_master
	wait_until 5 seen old TERM
	assert_equal RUNNING "$(state kept)" "the other one"
	assert_equal 1 "$(grep -c 'kept start' "$DIR/seen")" "starts of the other one"
}

test_upgrade_keeps_programs() { # sanitized
	local before
	programs <<-END
		[program:it]
		command = $DIR/child it
		startsecs = 0
		[program:waits]
		command = bash -c 'until [[ -e $DIR/go ]]; do sleep 0.02; done; echo >&\$YARDMASTER_READY_FD; exec $DIR/child waits'
		ready = fd
	END
	start_master
	await_state it RUNNING
	before=$(pid_of it)
	expect 0 ym upgrade --wait
	assert_equal "$before" "$(pid_of it)" "pid"
	assert_equal STARTING "$(state waits)" "one that is not ready yet"
	touch "$DIR/go"
	await_state waits RUNNING
	assert_equal 1 "$(grep -c 'it start' "$DIR/seen")" "starts"
}

# ---- php-fpm's names --------------------------------------------------------------------------------------------------

test_php_fpm_names() { # sanitized
	programs <<-END
		[pool:www]
		plugin = $PLUGINS/echo.so
		pm = dynamic
		pm.max_children = 6
		pm.start_servers = 3
		pm.min_spare_servers = 2
		pm.max_spare_servers = 4
		pm.max_requests = 2
		process_control_timeout = 5
		[pool:static]
		plugin = $PLUGINS/echo.so
		pm = static
		pm.max_children = 2
		[pool:demand]
		plugin = $PLUGINS/echo.so
		pm = ondemand
		pm.max_children = 2
		pm.process_idle_timeout = 1s
		scale_cooldown = 100ms
	END
	start_master
	wait_until 10 is 3 eval 'worker_pids www | wc -l'
	wait_until 10 is 2 eval 'worker_pids static | wc -l'
	assert_equal "" "$(worker_pids demand)" "workers on demand"
	expect 0 ym submit demand x --wait
	assert_equal x "$OUT" "result of a job on demand"
	wait_until 10 is "" worker_pids demand
	for _ in 1 2 3 4 5 6 7; do
		expect 0 ym submit www x --wait
	done
	assert_logged "pool www: worker"
}
