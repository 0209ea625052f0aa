# shellcheck shell=bash
# serve_browser.sh - the web page in a real browser: tests/browser/serve.py looks, this does what is to be seen.

# shellcheck source=tests/system/serve.sh
. "${BASH_SOURCE[0]%/*}/serve.sh"

moving_ini() {
	write_ini <<-INI
		[limit:line]
		max = 3
		[pool:move]
		command = $DIR/move
		workers = 2
		limits = line
		[pool:bad]
		command = sh -c 'echo "no such file" >&2; exit 3'
		attempts = 1
	INI
	cat >"$DIR/move" <<-'SH'
		#!/bin/bash
		echo "unit bytes" >&3
		for ((i = 0; i <= 1000; i++)); do
			echo "progress $((i * 65536))/65536000 part $((i / 10))" >&3
			sleep 0.05
		done
	SH
	chmod +x "$DIR/move"
}

do_wish() { # WISH; the answer on stdout
	case $1 in
	fail)
		submit bad x --tag broken.bin
		echo "$JOB"
		;;
	pass-time)
		"$BUILD/tests/past_minute" "$DIR/run" || fail "the board cannot be written to"
		echo ok
		;;
	kill-worker)
		slay "$(ym status --json | python3 -c '
import json, sys
print(next(w["pid"] for w in json.load(sys.stdin)["workers"] if w.get("tag") == "moving.bin"))')"
		echo ok
		;;
	kill-master)
		slay "$MASTER"
		echo ok
		;;
	start-master)
		start_master
		echo ok
		;;
	stop-master)
		stop_master --now
		echo ok
		;;
	stop-server)
		stop_serve
		echo ok
		;;
	start-server)
		start_serve --listen "$WHERE"
		echo ok
		;;
	token)
		cat "$DIR/token"
		;;
	door)
		stop_serve
		echo a-token-of-24-characters >"$DIR/token"
		chmod 600 "$DIR/token"
		start_serve --token-file "$DIR/token"
		echo "$URL"
		;;
	*)
		fail "the browser's test says: $1"
		;;
	esac
}

test_page_in_a_browser() {
	local wish to from browser
	command -v chromedriver >/dev/null || skip "no chromedriver (package chromium-driver)"
	moving_ini
	start_master
	start_serve
	WHERE=${URL#http://}
	WHERE=${WHERE%/}
	submit move x --tag moving.bin
	coproc PAGE { PYTHONDONTWRITEBYTECODE=1 python3 "$SOURCE/tests/browser/serve.py" "$URL" "$DIR" 2>"$DIR/browser.log"; }
	# shellcheck disable=SC2153 # by coproc
	to=${PAGE[1]} from=${PAGE[0]} browser=$PAGE_PID
	while read -r -u "$from" wish && [[ $wish != fine ]]; do
		do_wish "$wish" >"$DIR/answer"
		cat "$DIR/answer" >&"$to"
	done
	[[ $wish == fine ]] || fail "the page is not as it should be: $(tail -n 20 "$DIR/browser.log")"
	wait "$browser"
	stop_serve
	[[ -z ${KEEP_PICTURES-} ]] || cp "$DIR"/*.png "$KEEP_PICTURES"
}
