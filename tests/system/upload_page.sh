# shellcheck shell=bash
# upload_page.sh - the page of examples/upload_page in a real browser, with a real FTP server.

need_all() {
	local program
	for program in chromium chromedriver vsftpd php; do
		PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || skip "$program is not installed"
	done
	[[ -r $BUILD/examples/ftp_upload.so ]] || skip "the example ftp_upload is not built"
}

# URL and ARRIVED are where the page is, and where files go.
start_page() {
	YARDMASTER=$YARDMASTER PLUGIN=$BUILD/examples/ftp_upload.so "$SOURCE/examples/upload_page/start.sh" >"$DIR/page" 2>&1 &
	PAGE=$!
	wait_until 30 page_is_up
	read -r URL ARRIVED < <(sed -n 's|^\(http://[^ ]*\) - files arrive in \([^;]*\);.*|\1 \2|p' "$DIR/page")
	[[ -n $URL ]] || fail "start.sh: $(<"$DIR/page")"
}

page_is_up() {
	ended "$PAGE" || grep -q ^http "$DIR/page"
}

stop_page() {
	kill -TERM "$PAGE"
	wait "$PAGE"
	assert_equal 0 $? "exit code of start.sh"
}

test_the_bar_moves() {
	need_all
	start_page
	head -c 4M /dev/urandom >"$DIR/film with a blank.bin"
	expect 0 env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$SOURCE/tests/browser/upload_page.py" "$URL" \
		"$DIR/film with a blank.bin" "${SHOTS:-$DIR}"
	assert_same_file "$DIR/film with a blank.bin" "$ARRIVED/film_with_a_blank.bin" "what arrived"
	assert_equal "" "$(ls "$ARRIVED/../../../spool")" "files that wait to be sent"
	stop_page
	assert_equal 0 "$(ipc_objects)" "objects that are left"
}

answer() { # CURL'S OPTIONS...
	curl --silent --show-error --write-out ' %{http_code}' "$@"
}

# Without a browser: what other clients send.
test_strange_requests() {
	need_all
	command -v curl >/dev/null || skip "curl is not installed"
	start_page
	echo text >"$DIR/file"
	assert_contains '"no file"' "$(answer "$URL/upload.php")" "no file"
	assert_contains ' 400' "$(answer "$URL/upload.php")" "no file"
	assert_contains ' 400' "$(answer -F 'file[]=@'"$DIR/file" "$URL/upload.php")" "an array of files"
	assert_contains '"jobs":{}' "$(answer "$URL/progress.php?tags=../../etc,page-0")" "tags that are none"
	assert_contains '"jobs":{}' "$(answer "$URL/progress.php?tags[]=a")" "an array of tags"
	assert_contains '"tag":"page-' "$(answer -F 'file=@'"$DIR/file;filename=../../.x	y" "$URL/upload.php")" "an odd name"
	wait_until 10 test -f "$ARRIVED/x_y"
	assert_equal "" "$(find "$ARRIVED" -name '.*' -type f)" "hidden files"
	stop_page
}
