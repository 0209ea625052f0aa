#!/bin/bash
# demo.sh - the FTP example from beginning to end: start a server and an instance, upload files with live
# progress, compare what arrived, stop, and prove that nothing is left behind. `make demo` runs this.
#
# Needs a built tree and the package vsftpd; root or not. Everything lives in a temporary directory that is
# removed at the end. Set YARDMASTER to try another binary.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
readonly here root
readonly ym=${YARDMASTER:-$root/build/yardmaster}
readonly plugin=$root/build/examples/ftp_upload.so
readonly sizes_kb=(800 3000 200 6000 1500 500 4000 1000 2000)
readonly missing=missing.bin

tmp=''
server=''
master=''

say() {
	printf '\n== %s\n' "$*"
}

die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

# wait_for SECONDS COMMAND...: until the command succeeds; false when the time is up.
wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

is_gone() {
	! kill -0 "$1" 2>/dev/null
}

# End the process $1 that this script started: ask first.
end_process() {
	[[ -n $1 ]] || return 0
	kill -TERM "$1" 2>/dev/null || true
	wait_for 15 is_gone "$1" || kill -KILL "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

clean_up() {
	local status=$?
	trap - EXIT INT TERM
	if [[ $status -ne 0 && -s $tmp/master.log ]]; then
		echo "demo: the last lines of the master's log:" >&2
		tail -n 20 "$tmp/master.log" >&2
	fi
	end_process "$master"
	end_process "$server"
	[[ -z $tmp ]] || rm -rf "$tmp"
	exit "$status"
}

# ---- System V objects: "KIND KEY ID", one a line --------------------------------------------------------------

all_objects() {
	local kind
	for kind in msg sem shm; do
		awk -v kind="$kind" 'NR > 1 { print kind, $1, $2 }' "/proc/sysvipc/$kind"
	done | sort
}

# The keys of an instance are those of the files in its directory: ftok(FILE, 'y').
instance_keys() {
	local dev ino
	find "$tmp/instance" ! -type d -exec stat -c '%d %i' {} + | while read -r dev ino; do
		echo $((121 << 24 | (dev & 0xff) << 16 | (ino & 0xffff)))
	done
}

# Objects that are there now, were not there before, and are in the file $1, the instance's. Others come and
# go all the time: this is not the only program on the machine.
objects_of() {
	comm -13 "$tmp/objects.before" <(all_objects) | grep -Fxf "$1" || true
}

nothing_left() {
	[[ -z $(objects_of "$tmp/objects.instance") ]]
}

# ---- the steps ------------------------------------------------------------------------------------------------

make_files() {
	local i
	mkdir "$tmp/files"
	for i in "${!sizes_kb[@]}"; do
		head -c "${sizes_kb[i]}K" /dev/urandom >"$tmp/files/file-$((i + 1))-${sizes_kb[i]}k.bin"
	done
	echo "${#sizes_kb[@]} files, $(du -sh "$tmp/files" | cut -f1) together"
}

server_settled() {
	[[ -s $tmp/ftp/port ]] || is_gone "$server"
}

start_server() {
	"$here/ftp-server.sh" "$tmp/ftp" >"$tmp/server.log" 2>&1 &
	server=$!
	wait_for 15 server_settled || true
	[[ -s $tmp/ftp/port ]] || die "no FTP server: $(cat "$tmp/server.log")"
	echo "vsftpd, pid $server, port $(cat "$tmp/ftp/port"), files go to $tmp/ftp/root/incoming"
}

# The example's INI with the places of this run.
write_ini() {
	local line
	while IFS= read -r line; do
		case $line in
		"instance ="*) printf '%s\ndirectory = %s\n' "$line" "$tmp/instance" ;;
		"plugin ="*) echo "plugin = $plugin" ;;
		"option.url ="*) echo "option.url = ftp://127.0.0.1:$(cat "$tmp/ftp/port")/incoming/" ;;
		"option.password ="*) echo "option.password = $(cat "$tmp/ftp/password")" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$here/ftp.ini" >"$ini"
}

master_settled() {
	"$ym" status -c "$ini" >/dev/null 2>&1 || is_gone "$master"
}

start_master() {
	all_objects >"$tmp/objects.before"
	"$ym" run "$ini" >"$tmp/master.log" 2>&1 &
	master=$!
	wait_for 15 master_settled || die "the master does not answer after 15 s"
	! is_gone "$master" || die "the master ended at once"
	comm -13 "$tmp/objects.before" <(all_objects) |
		awk 'NR == FNR { ours[$1]; next } $2 in ours' <(instance_keys) - >"$tmp/objects.instance"
	[[ -s $tmp/objects.instance ]] || die "the instance has no System V objects?"
	echo "master, pid $master, with these System V objects:" \
		"$(cut -d' ' -f1 "$tmp/objects.instance" | sort | uniq -c | awk '{ printf "%s%d %s", s, $1, $2; s = ", " }')"
}

# The missing file goes into the middle, so that it fails while others are on their way.
submit_jobs() {
	local id file names=("$tmp"/files/*)
	for file in "${names[@]:0:5}" "$tmp/files/$missing" "${names[@]:5}"; do
		id=$("$ym" submit -c "$ini" upload --tag "${file##*/}" "$file")
		echo "job $id: ${file##*/}"
	done
}

watch_jobs() {
	local status=0
	timeout --foreground 180 "$ym" watch -c "$ini" || status=$?
	[[ $status -eq 1 ]] || die "watch ended with $status; 1 was expected, for the one job that cannot succeed"
}

# with_state STATE: the lines of jobs.json of the jobs in that state.
with_state() {
	grep -E "\"state\": ?\"$1\"" "$tmp/jobs.json" || true
}

check_jobs() {
	local failed
	"$ym" jobs -c "$ini" --json >"$tmp/jobs.json"
	failed=$(with_state "failed")
	[[ $(grep -c . <<<"$failed") -eq 1 ]] || die "not one job failed but: $failed"
	grep -qE "\"tag\": ?\"$missing\"" <<<"$failed" || die "the wrong job failed: $failed"
	[[ $(with_state "done" | grep -c .) -eq ${#sizes_kb[@]} ]] || die "not all done: $(cat "$tmp/jobs.json")"
	echo "${#sizes_kb[@]} done, 1 failed as it should:" \
		"$(sed -nE 's/.*"error": ?"(([^"\\]|\\.)*)".*/\1/p' <<<"$failed")"
}

check_files() {
	(cd "$tmp/files" && sha256sum -- *) >"$tmp/sums"
	(cd "$tmp/ftp/root/incoming" && sha256sum --check --quiet --strict "$tmp/sums") || die "a file differs"
	diff <(ls "$tmp/files") <(ls "$tmp/ftp/root/incoming") || die "there is more than was sent"
	echo "${#sizes_kb[@]} files on the server, all with the right sha256, none half done"
}

stop_master() {
	"$ym" stop -c "$ini"
	wait "$master" || die "the master ended with status $?"
	master=''
	wait_for 10 nothing_left || die "System V objects are left: $(objects_of "$tmp/objects.instance")"
	echo "the master is gone and has left no System V object behind"
}

[[ -x $ym ]] || die "$ym is missing: run make first"
[[ -r $plugin ]] || die "$plugin is missing: run make first"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
tmp=$(mktemp -d)
readonly ini=$tmp/ftp.ini
chmod 711 "$tmp" # started by root, the FTP server runs as nobody and must get to its directory

say "Test files in $tmp"
make_files
say "An FTP server"
start_server
say "An instance of Yardmaster: pool upload with 4 workers, at most 2 uploads at a time"
write_ini
start_master
say "Submit the uploads, and one of a file that does not exist"
submit_jobs
say "Watch them"
watch_jobs
say "Check the jobs"
check_jobs
say "Compare the files"
check_files
say "Stop"
stop_master
end_process "$server"
server=''
say "The demo is complete: ${#sizes_kb[@]} files uploaded in $SECONDS s, 1 refusal reported, nothing left behind"
