#!/bin/bash
# start.sh [PORT] - everything that the page needs: an FTP server, an instance of Yardmaster, PHP's own web server.
#
# All of it on 127.0.0.1 and in a temporary directory, and all of it ends with Ctrl-C. Needs a built tree and the packages
# vsftpd and php-cli. Set YARDMASTER and PLUGIN to try others. Without PORT a free one is taken.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
readonly here root
readonly ym=${YARDMASTER:-$root/build/yardmaster}
readonly plugin=${PLUGIN:-$root/build/examples/ftp_upload.so}
readonly READY_SECONDS=15

tmp=''
pids=()

die() {
	printf 'start.sh: %s\n' "$*" >&2
	exit 1
}

# The last that was started ends first.
clean_up() {
	local status=$? i
	trap - EXIT INT TERM
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		kill -TERM "${pids[i]}" 2>/dev/null || true
		wait "${pids[i]}" 2>/dev/null || true
	done
	[[ -z $tmp ]] || rm -rf "$tmp"
	exit "$status"
}

# until COMMAND... succeeds, or the process that was started last has ended.
wait_for() {
	local deadline=$((SECONDS + READY_SECONDS))
	until "$@" 2>/dev/null; do
		kill -0 "${pids[-1]}" 2>/dev/null || return 1
		((SECONDS < deadline)) || return 1
		sleep 0.05
	done
}

# The example's INI with the places of this run.
write_ini() {
	local line
	while IFS= read -r line; do
		case $line in
		"instance ="*) printf '%s\ndirectory = %s\n' "$line" "$tmp/instance" ;;
		"plugin ="*) echo "plugin = $plugin" ;;
		"option.url ="*) echo "option.url = ftp://127.0.0.1:$(<"$tmp/ftp/port")/incoming/" ;;
		"option.password ="*) echo "option.password = $(<"$tmp/ftp/password")" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$here/upload_page.ini" >"$tmp/upload_page.ini"
}

# PHP's server, on port $1. False: the port is taken.
start_page() {
	YARD_DIRECTORY=$tmp/instance YARD_SPOOL=$tmp/spool setpriv --pdeathsig TERM \
		php -d upload_max_filesize=1G -d post_max_size=1025M -S "127.0.0.1:$1" -t "$here/public" >"$tmp/php.log" 2>&1 &
	pids+=($!)
	wait_for grep -q "started$" "$tmp/php.log"
}

[[ -x $ym ]] || die "$ym is missing: run make first"
[[ -r $plugin ]] || die "$plugin is missing: run make examples first"
command -v php >/dev/null || die "php is missing: install the package php-cli"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 0' TERM
tmp=$(mktemp -d)
chmod 711 "$tmp" # started by root, the FTP server runs as nobody and must get to its directory
mkdir -m 700 "$tmp/spool"

"$here/../ftp/ftp-server.sh" "$tmp/ftp" >"$tmp/ftp.log" 2>&1 &
pids+=($!)
wait_for test -s "$tmp/ftp/port" || die "no FTP server: $(<"$tmp/ftp.log")"
write_ini
"$ym" run "$tmp/upload_page.ini" >"$tmp/master.log" 2>&1 &
pids+=($!)
wait_for "$ym" status -c "$tmp/upload_page.ini" >/dev/null || die "no master: $(<"$tmp/master.log")"
if (($# > 0)); then
	port=$1
	start_page "$port" || die "no web server: $(<"$tmp/php.log")"
else
	for ((tries = 20; tries > 0; tries--)); do
		port=$((20000 + RANDOM % 12000))
		start_page "$port" && break
		unset "pids[-1]"
	done
	((tries > 0)) || die "no free port found: $(<"$tmp/php.log")"
fi
echo "http://127.0.0.1:$port/ - files arrive in $tmp/ftp/root/incoming; Ctrl-C ends all of it"
wait "${pids[-1]}"
