# shellcheck shell=bash
# serve.sh - the web page, JSON, metrics: what they say, to whom, and what no client can do to them.

SERVE= # pid
URL=

# A server with the options, at a port of its own unless they say where.
start_serve() { # OPTIONS...
	local where=(--listen 127.0.0.1:0)
	[[ " $* " != *" --listen "* && " $* " != *" --socket "* ]] || where=()
	"$YARDMASTER" serve -c "$INI" "${where[@]}" "$@" >"$DIR/serve.out" 2>"$DIR/serve.log" &
	SERVE=$!
	wait_until 10 serve_up_or_ended
	URL=$(sed -n 's/.* at //p' "$DIR/serve.out")
}

serve_up_or_ended() {
	ended "$SERVE" || grep -q ' at ' "$DIR/serve.out"
}

stop_serve() {
	kill -TERM "$SERVE"
	wait "$SERVE"
	assert_equal 0 $? "exit code of serve after SIGTERM: $(<"$DIR/serve.log")"
	assert_equal "" "$(<"$DIR/serve.log")" "what serve said on stderr"
}

# The body in OUT, the head in HEAD, the status in CODE.
ask() { # PATH CURL-OPTIONS...
	: >"$DIR/body"
	CODE=$(curl -s -m 20 -o "$DIR/body" -D "$DIR/head" -w '%{http_code}' "${@:2}" "${URL%/}$1") || fail "curl $1: $?"
	OUT=$(<"$DIR/body")
	HEAD=$(tr -d '\r' <"$DIR/head")
}

asked() { # CODE PATH
	ask "$2"
	[[ $CODE == "$1" ]]
}

write_jobs_ini() { # LINES of [yardmaster]
	write_ini "$@" <<-INI
		[limit:api]
		max = 3
		[pool:work]
		command = sh -c 'echo "progress 3/4 nearly" >&3; cat >/dev/null'
		workers = 2
		limits = api
		[pool:bad]
		command = sh -c 'echo "no such file" >&2; exit 3'
		attempts = 1
		[pool:long]
		command = sh -c 'echo "unit bytes" >&3; echo "progress 1048576/4194304 part 1" >&3; exec sleep 1000'
	INI
}

# The same JSON but for the time that passes: numbers that are no counts become their kind.
shape() {
	python3 -c '
import json, sys
PASSING = {"time", "up", "since", "age", "job_seconds", "run_seconds", "seconds", "minutes",
    "submitted", "started", "finished", "ended"}
def shape(value, key=None):
    if key in PASSING:
        return key
    if isinstance(value, dict):
        return {name: shape(part, name) for name, part in value.items()}
    return [shape(part) for part in value] if isinstance(value, list) else value
print(json.dumps(shape(json.load(sys.stdin)), sort_keys=True))'
}

test_same_words_as_the_commands() {
	write_jobs_ini
	start_master
	start_serve
	expect 0 ym submit work x --tag first --wait
	submit bad x --tag second
	wait_until 10 is failed job_state "$JOB"
	ask /api/status
	assert_equal 200 "$CODE" "/api/status"
	assert_contains "Content-Type: application/json" "$HEAD" "its head"
	assert_equal "$(ym status --json | shape)" "$(shape <<<"$OUT")" "/api/status"
	ask "/api/jobs/$JOB"
	assert_equal 200 "$CODE" "/api/jobs/$JOB"
	assert_equal "$(ym show "$JOB" --json | shape)" "$(shape <<<"$OUT")" "/api/jobs/$JOB"
	assert_contains "no such file" "$OUT" "its standard error output"
	ask /api/jobs/4711
	assert_equal '404 {"error": "there is no job 4711"}' "$CODE $OUT" "a job that is not there"
	for path in /api/jobs/ /api/jobs/x1 /api/jobs/1x /api/jobs/99999999999999999999 /api /nothing /app.js/ //; do
		ask "$path"
		assert_equal 404 "$CODE" "$path"
	done
	stop_serve
}

test_jobs_of_a_store() {
	write_jobs_ini "store = sqlite:$DIR/store.db"
	start_master
	start_serve
	submit bad x --tag kept
	wait_until 10 is failed job_state "$JOB"
	stop_master
	# The store is all there is of it now.
	wait_until 10 asked 200 "/api/jobs/$JOB"
	assert_contains '"tag": "kept"' "$OUT" "a job of a store whose instance is down"
	ask /api/status
	assert_equal 503 "$CODE" "/api/status of an instance that is down"
	assert_contains "not running" "$OUT" "/api/status of an instance that is down"
	stop_serve
}

openmetrics() { # [--text] FAMILY=TYPE...
	python3 "$SOURCE/tests/system/openmetrics.py" "$@" <"$DIR/body" >"$DIR/metrics" 2>"$DIR/metrics.err" ||
		fail "$(<"$DIR/metrics.err")"
}

# As Prometheus' own checker sees it, too, where there is one.
text_metrics() { # FAMILY=TYPE...
	openmetrics --text "$@"
	if command -v promtool >/dev/null; then
		expect 0 promtool check metrics <"$DIR/body"
		assert_equal "" "$OUT$ERR" "what promtool says"
	fi
}

OPENMETRICS="application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT="text/plain; version=0.0.4; charset=utf-8"

ask_openmetrics() {
	ask /metrics -H "Accept: application/openmetrics-text"
}

sample() { # NAME WITH LABELS
	sed -n "s/^$1 //p" "$DIR/metrics"
}

test_metrics() {
	write_jobs_ini
	start_master
	start_serve
	for _ in 1 2 3; do
		expect 0 ym submit work x --wait
	done
	submit long x
	wait_until 10 is running job_state "$JOB"
	ask_openmetrics
	assert_equal 200 "$CODE" /metrics
	assert_contains "Content-Type: $OPENMETRICS" "$HEAD" "its head"
	openmetrics yardmaster_up=gauge yardmaster_instance=info yardmaster_pool_jobs=gauge yardmaster_jobs=counter \
		yardmaster_job_wait_seconds=histogram yardmaster_job_run_seconds=histogram yardmaster_workers=gauge \
		yardmaster_limit_units=gauge yardmaster_serve_cpu_seconds=counter
	assert_equal 1 "$(sample 'yardmaster_up{}')" "up"
	assert_equal 3 "$(sample 'yardmaster_jobs_total{end="done",pool="work"}')" "jobs that are done"
	assert_equal 1 "$(sample 'yardmaster_pool_jobs{pool="long",state="running"}')" "jobs that run"
	assert_equal 2 "$(sample 'yardmaster_pool_workers{pool="work"}')" "workers"
	assert_equal 3 "$(sample 'yardmaster_limit_units{limit="api"}')" "units"
	assert_equal 3 "$(sample 'yardmaster_job_run_seconds_count{pool="work"}')" "runs"
	assert_equal 3 "$(sample 'yardmaster_job_run_seconds_bucket{le="17592.186",pool="work"}')" "runs of up to 5 hours"
	assert_equal 0 "$(sample 'yardmaster_job_run_seconds_bucket{le="1.024e-06",pool="work"}')" "runs of up to 1 us"
	# Without programs and store: of some families there is no sample.
	ask /metrics
	text_metrics yardmaster_jobs_total=counter
	slay "$MASTER"
	wait_until 10 metrics_say 'yardmaster_up{}' 0
	stop_serve
	start_master
	stop_master --now
}

# Whoever asks for nothing, or cannot read OpenMetrics, gets the format that everybody can; with the same samples.
test_metrics_as_text() {
	local accept type
	write_jobs_ini "store = sqlite:$DIR/store.db"
	cat >>"$INI" <<-INI
		[program:web]
		command = sleep 1000
	INI
	start_master
	start_serve
	expect 0 ym submit work x --wait
	ask_openmetrics
	openmetrics yardmaster_instance=info yardmaster_jobs=counter yardmaster_store_commits=counter
	sed 's/ [^ ]*$//' "$DIR/metrics" >"$DIR/samples"
	ask /metrics
	assert_equal 200 "$CODE" /metrics
	assert_contains "Content-Type: $TEXT" "$HEAD" "its head"
	assert_contains "Vary: Accept" "$HEAD" "its head"
	text_metrics yardmaster_up=gauge yardmaster_instance_info=gauge yardmaster_jobs_total=counter \
		yardmaster_job_run_seconds=histogram yardmaster_program_starts_total=counter yardmaster_store_commits_total=counter
	assert_equal "$(<"$DIR/samples")" "$(sed 's/ [^ ]*$//' "$DIR/metrics")" "samples of the one format and of the other"
	assert_equal 1 "$(sample 'yardmaster_jobs_total{end="done",pool="work"}')" "jobs that are done"
	while IFS='|' read -r type accept; do
		ask /metrics -H "Accept: $accept"
		assert_contains "Content-Type: ${!type}" "$HEAD" "Accept: $accept"
		assert_contains "Vary: Accept" "$HEAD" "Accept: $accept"
		[[ $type == TEXT && $OUT != *"# EOF"* || $type == OPENMETRICS && $OUT == *"# EOF" ]] || fail "Accept: $accept"
	done <<-ROWS
		OPENMETRICS|application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1
		TEXT|text/plain;version=0.0.4;q=1,*/*;q=0.1
		OPENMETRICS|application/openmetrics-text
		TEXT|application/openmetrics-text;q=0
	ROWS
	# Two lines are no reason to refuse anybody.
	ask /metrics -H "Accept: application/openmetrics-text" -H "Accept: text/plain"
	assert_equal 200 "$CODE" "Accept twice"
	stop_serve
	start_serve
	stop_master
	wait_until 10 metrics_say 'yardmaster_up{}' 0
	ask /metrics
	text_metrics yardmaster_up=gauge yardmaster_serve_cpu_seconds_total=counter
	stop_serve
}

metrics_say() { # SAMPLE VALUE
	ask_openmetrics
	openmetrics yardmaster_up=gauge
	[[ $(sample "$1") == "$2" ]]
}

test_health() {
	write_jobs_ini
	start_serve
	ask /healthz
	assert_equal 503 "$CODE" "before the instance was ever started"
	assert_contains "not running" "$OUT" "why"
	assert_equal 1 "$(wc -l <"$DIR/body")" "lines"
	start_master
	wait_until 10 asked 200 /healthz
	assert_equal ok "$OUT" "all is well"
	slay "$MASTER"
	wait_until 10 asked 503 /healthz
	assert_equal "instance test has no master" "$OUT" "without a master"
	start_master
	wait_until 10 asked 200 /healthz
	ym stop work >/dev/null
	wait_until 10 asked 200 /healthz
	stop_master
	wait_until 10 asked 503 /healthz
	# Nothing of the old generation is kept by who looked at it.
	wait_until 10 is 0 ipc_objects
	start_master
	wait_until 10 asked 200 /healthz
	stop_serve
}

test_health_of_pools_and_programs() {
	write_ini <<-INI
		[pool:work]
		command = true
		[program:gone]
		command = $DIR/not-there
		startretries = 0
	INI
	launch_master
	wait_until 10 logged "FATAL"
	start_serve
	wait_until 10 asked 503 /healthz
	assert_contains "program gone is FATAL" "$OUT" "why"
	ym stop gone >/dev/null
	wait_until 10 asked 200 /healthz
	stop_serve
}

all_runs() {
	ym status >/dev/null 2>&1
}

not_all_runs() {
	! all_runs
}

# While a worker is being replaced `status` tells, and who takes machines out for it is not told; unless nothing comes back.
test_health_has_patience() {
	local killed polls=0
	write_ini <<-INI
		[pool:work]
		command = true
		restart_delay = 2s
		[program:web]
		command = sleep 1000
		restart_delay = 1h
	INI
	start_master
	wait_until 10 all_runs
	start_serve
	slay "$(worker_pids work)"
	wait_until 2 not_all_runs
	until all_runs; do
		ask /healthz
		assert_equal "200 ok" "$CODE $OUT" "while a worker is replaced"
		((++polls < 1000)) || fail "it is not replaced"
	done
	assert_less "$polls" 0 "looks meanwhile"
	killed=$(now_ms)
	slay "$(ym status | awk '$1 == "web" {print $3}')"
	wait_until 4 not_all_runs
	ask /healthz
	assert_equal "200 ok" "$CODE $OUT" "a program that has just ended"
	wait_until 15 asked 503 /healthz
	assert_contains "program web is BACKOFF" "$OUT" "why"
	assert_less $(($(now_ms) - killed)) 4000 "ms that it was missing at least"
	stop_serve
	stop_master
}

test_heads() {
	write_jobs_ini
	start_serve
	for path in / /app.css /app.js /icon.svg /api/status /metrics /healthz /nothing; do
		ask "$path"
		assert_contains "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';" "$HEAD" "$path"
		assert_contains "frame-ancestors 'none'" "$HEAD" "$path"
		assert_contains "X-Content-Type-Options: nosniff" "$HEAD" "$path"
		assert_contains "Referrer-Policy: no-referrer" "$HEAD" "$path"
		local whole=$HEAD length=${#OUT} passing=^Date:
		ask "$path" --head
		# The length of the metrics goes with the time that passes.
		[[ $path != /metrics ]] || passing='^Date:\|^Content-Length:'
		assert_equal "$(grep -v "$passing" <<<"$whole")" "$(grep -v "$passing" <<<"$HEAD")" "HEAD of $path"
		((length > 0)) || fail "$path is empty"
		if [[ $path =~ ^/(app|icon|$) ]]; then
			assert_contains "Cache-Control: no-cache" "$HEAD" "$path"
			ask "$path" -H "If-None-Match: \"x\", W/$(sed -n 's/^ETag: //p' <<<"$HEAD")"
			assert_equal "304 " "$CODE $OUT" "$path, which has not changed"
		else
			assert_contains "Cache-Control: no-store" "$HEAD" "$path"
		fi
	done
	for method in POST PUT DELETE OPTIONS TRACE; do
		ask / -X "$method" -d x
		assert_equal 405 "$CODE" "$method"
		assert_contains "Allow: GET, HEAD" "$HEAD" "$method"
	done
	# Nothing of the page comes from elsewhere, nor stands in it where a policy would have to allow it.
	ask /
	assert_lacks "://" "$OUT" "the page"
	assert_lacks "style=" "$OUT" "the page"
	stop_serve
}

test_host() {
	write_jobs_ini
	start_serve --host yard.example,proxy.example
	for host in localhost LOCALHOST:80 127.0.0.1 127.8.9.1:8421 '[::1]' '[::1]:99' yard.example Proxy.Example:443; do
		ask /healthz -H "Host: $host"
		assert_equal 503 "$CODE" "meant for $host"
	done
	for host in evil.example 127.0.0.1.evil.example 10.0.0.1 '[::2]' '[fe80::1]:80' yard.example.evil xyard.example '[::1' ','; do
		ask /healthz -H "Host: $host"
		assert_equal 421 "$CODE" "meant for $host"
	done
	ask /healthz -H "Host;"
	assert_equal 421 "$CODE" "meant for nobody"
	stop_serve
}

test_token() {
	local token=0123456789abcdef+/=x
	write_jobs_ini
	echo "$token" >"$DIR/token"
	expect 4 ym serve --token-file "$DIR/token"
	assert_contains "chmod 600" "$ERR" "a token that others can read"
	chmod 600 "$DIR/token"
	start_serve --token-file "$DIR/token"
	for path in /api/status /events /metrics /healthz /app.js /api/jobs/1 /nothing "/healthz?token=$token"; do
		ask "$path"
		assert_equal 401 "$CODE" "$path without a token"
		assert_contains "WWW-Authenticate: Bearer" "$HEAD" "$path without a token"
	done
	for wrong in "Bearer ${token}x" "Bearer ${token%x}" "Bearer" "Basic $token" "Bearer x$token" "$token"; do
		ask /healthz -H "Authorization: $wrong"
		assert_equal 401 "$CODE" "$wrong"
	done
	ask /healthz -H "Authorization: bearer  $token"
	assert_equal 503 "$CODE" "with the token"
	ask /
	assert_equal 401 "$CODE" "the page without a token"
	assert_contains '<input id="token"' "$OUT" "the page without a token"
	ask /app.css
	assert_equal 200 "$CODE" "what the form looks like"
	ask /?token=wrong
	assert_equal 401 "$CODE" "the page with a wrong token"
	ask "/?token=0123456789abcdef%2B%2f%3Dx&x=1"
	assert_equal 303 "$CODE" "the page with the token"
	assert_contains "Location: ./" "$HEAD" "the page with the token"
	assert_contains "HttpOnly; SameSite=Lax" "$HEAD" "the cookie"
	local cookie
	cookie=$(sed -n 's/^Set-Cookie: \([^;]*\).*/\1/p' <<<"$HEAD")
	ask / -H "Cookie: a=b; $cookie; c=d"
	assert_contains 'id="pools"' "$OUT" "the page with the cookie"
	ask / -H "Cookie: x$cookie"
	assert_equal 401 "$CODE" "another cookie"
	stop_serve
}

test_refused_starts() {
	write_jobs_ini
	for address in 0.0.0.0:0 '[::]:0' 192.0.2.1:0; do
		expect 2 ym serve --listen "$address"
		assert_contains "--token-file" "$ERR" "$address without a token"
	done
	for wrong in x 127.0.0.1 127.0.0.1: 127.0.0.1:x 127.0.0.1:70000 example.org:80 '::1:80' '[::1]' '[::1:80' :80; do
		expect 2 ym serve --listen "$wrong"
		assert_contains "is no address with a port" "$ERR" "--listen $wrong"
	done
	expect 2 ym serve --listen 127.0.0.1:0 --socket "$DIR/s"
	expect 2 ym serve --mode 666
	expect 2 ym serve --socket "$DIR/$(printf 'x%.0s' {1..120})"
	printf 'short' >"$DIR/token"
	chmod 600 "$DIR/token"
	expect 2 ym serve --token-file "$DIR/token"
	printf 'with blanks and\nlines' >"$DIR/token"
	expect 2 ym serve --token-file "$DIR/token"
	expect 2 ym serve --token-file "$DIR/not-there"
	mkfifo -m 600 "$DIR/fifo"
	expect 2 timeout 10 "$YARDMASTER" serve --token-file "$DIR/fifo"
	assert_contains "is no file" "$ERR" "a token in a FIFO"
	start_serve
	local port=${URL##*:}
	expect 1 ym serve --listen "127.0.0.1:${port%/}"
	assert_contains "somebody listens there already" "$ERR" "a port that is in use"
	stop_serve
	start_serve --listen 0.0.0.0:0 --insecure
	stop_serve
}

test_socket() {
	write_jobs_ini
	start_master
	echo precious >"$DIR/file"
	expect 4 ym serve --socket "$DIR/file"
	assert_equal precious "$(<"$DIR/file")" "a file that is no socket"
	start_serve --socket "$DIR/sock" --mode 660
	assert_equal 660 "$(stat -c %a "$DIR/sock")" "mode of the socket"
	URL=http://any/
	ask /healthz --unix-socket "$DIR/sock"
	assert_equal "200 ok" "$CODE $OUT" "over the socket"
	expect 1 ym serve --socket "$DIR/sock"
	assert_contains "somebody listens" "$ERR" "a socket that is in use"
	kill -KILL "$SERVE"
	wait "$SERVE" 2>/dev/null
	start_serve --socket "$DIR/sock"
	assert_equal 600 "$(stat -c %a "$DIR/sock")" "mode of the socket"
	stop_serve
	[[ ! -e $DIR/sock ]] || fail "the socket is still there"
}

test_events() {
	write_jobs_ini
	start_master
	start_serve
	submit long x --tag picture.raw
	submit bad y
	wait_until 10 is failed job_state "$JOB"
	python3 "$SOURCE/tests/system/serve.py" "$URL" events 14 >"$DIR/frames" || fail "no frames"
	python3 - "$DIR/frames" <<-'PY' || fail "frames: see above"
		import json, sys
		frames = [json.loads(line) for line in open(sys.argv[1])]
		first = frames[0]["status"]
		assert first["pools"][0]["course"] and "crashes" in first, "the first frame is not whole"
		long = [w for w in first["workers"] if w.get("tag") == "picture.raw"]
		assert long[0]["progress"] == {**long[0]["progress"], "done": 1048576, "total": 4194304, "unit": "bytes", "note": "part 1"}, long
		assert any("failures" in f and f["failures"][0]["error"].endswith("no such file") for f in frames), "no failure"
	PY
	stop_serve
	stop_master --now
}

# What happens is seen at once, in the order in which it happens; when nothing does, hardly anything is said.
test_events_follow() {
	write_jobs_ini
	start_master
	start_serve
	python3 "$SOURCE/tests/system/serve.py" "$URL" events 1000000 >"$DIR/frames" &
	CLIENT=$!
	wait_until 10 grep -q '"master_pid": [1-9]' "$DIR/frames"
	slay "$MASTER"
	wait_until 5 grep -q '"master_pid": 0' "$DIR/frames"
	start_master
	stop_master
	wait_until 5 grep -q '"status": null' "$DIR/frames"
	assert_contains "not running" "$(tail -n 1 "$DIR/frames")" "why there is no status"
	start_master
	wait_until 5 frames_end_with "\"master_pid\": $MASTER"
	kill "$CLIENT"
	wait "$CLIENT" 2>/dev/null
	stop_serve
}

# As many jobs failed in the one before: they are not taken for those of this one.
test_failures_of_the_next_instance() {
	write_jobs_ini
	start_master
	start_serve
	submit bad x --tag first
	wait_until 10 is failed job_state "$JOB"
	wait_until 10 frames_name first
	stop_master
	wait_until 5 asked 503 /api/status
	start_master
	submit bad x --tag second
	wait_until 10 is failed job_state "$JOB"
	wait_until 10 frames_name second
	stop_serve
}

# The jobs that failed, as the first frames tell, are the one with this tag.
frames_name() { # TAG
	python3 "$SOURCE/tests/system/serve.py" "$URL" events 3 >"$DIR/frames" &&
		[[ $(grep -o '"failures": \[{[^]]*' "$DIR/frames" | grep -o '"tag": "[a-z]*"' | sort -u) == "\"tag\": \"$1\"" ]]
}

frames_end_with() { # PART
	[[ $(tail -n 1 "$DIR/frames") == *"$1"* ]]
}

# With answers, viewers and half requests on their way.
test_end() {
	write_jobs_ini
	start_master
	start_serve
	for _ in 1 2 3; do
		curl -sN "${URL}events" >/dev/null &
		CLIENT=$!
	done
	local port=${URL##*:}
	exec 5<>"/dev/tcp/127.0.0.1/${port%/}"
	printf 'GET / HTTP/1.1\r\n' >&5
	wait_until 10 metrics_say 'yardmaster_serve_viewers{}' 3
	local start
	start=$(now_ms)
	stop_serve
	assert_less 2000 $(($(now_ms) - start)) "ms to end"
	wait "$CLIENT"
	exec 5>&-
	start_serve
	kill -INT "$SERVE"
	wait "$SERVE"
	assert_equal 0 $? "exit code after SIGINT"
}

test_hostile_clients() { # sanitized
	write_jobs_ini
	start_master
	start_serve
	expect 0 python3 "$SOURCE/tests/system/serve.py" "$URL" hostile "$SERVE"
	assert_equal fine "$OUT" "what is left of it"
	stop_serve
}

test_slow_viewers() { # sanitized
	write_ini <<-INI
		[pool:busy]
		command = sh -c 'i=0; while :; do i=\$((i+1)); echo "progress \$i/100000 x" >&3; sleep 0.05; done'
		workers = 60
	INI
	start_master
	start_serve
	yes | head -n 60 | ym submit busy --lines - >/dev/null
	expect 0 python3 "$SOURCE/tests/system/serve.py" "$URL" slow "$SERVE"
	assert_equal fine "$OUT" "what is left of it"
	ask_openmetrics
	openmetrics yardmaster_serve_skipped=counter
	stop_serve
	stop_master --now
}

# As many as are allowed, and one more.
test_viewers_are_counted() {
	write_jobs_ini
	start_serve --connections 8
	local pids=()
	for _ in 1 2 3 4 5 6; do
		curl -sN "${URL}events" >/dev/null &
		pids+=($!)
	done
	wait_until 10 metrics_say 'yardmaster_serve_viewers{}' 6
	ask /events
	assert_equal 503 "$CODE" "one viewer too many"
	kill "${pids[@]}"
	wait_until 10 metrics_say 'yardmaster_serve_viewers{}' 0
	wait "${pids[@]}" 2>/dev/null
	stop_serve
}

# Like anything else that has to run.
test_as_a_program() {
	write_jobs_ini
	cat >>"$INI" <<-INI
		[program:web]
		command = $YARDMASTER serve -c $INI --socket $DIR/web.sock
		stdout_logfile = $DIR/web.out
	INI
	launch_master
	URL=http://any/
	wait_until 10 test -S "$DIR/web.sock"
	wait_until 10 healthy_by_socket
	stop_master
	[[ ! -e $DIR/web.sock ]] || fail "the socket is still there"
}

healthy_by_socket() {
	[[ $(curl -s --unix-socket "$DIR/web.sock" http://any/healthz) == ok ]]
}
