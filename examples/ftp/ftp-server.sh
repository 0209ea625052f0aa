#!/bin/bash
# ftp-server.sh DIR [PORT] - a real FTP server (vsftpd) for trying out the example, on 127.0.0.1 only.
#
# Everything lives in DIR, which is made if need be: the configuration, the log, and DIR/root, what clients see
# (uploads go to DIR/root/incoming). Without PORT a free one is taken. One user can log in: "anonymous" with the
# password in $FTP_PASSWORD, or a random one if that is not set; DIR/password holds it.
#
# Runs until TERM or INT. Once the server answers, DIR/port holds its port and DIR/pid the pid of this script:
# kill "$(cat DIR/pid)" ends both. Works as root, when the server runs as nobody, and as an ordinary user, when
# it runs as that user: whoever knows the password can do there what that user can do.
set -euo pipefail

readonly READY_SECONDS=10
server=''

die() {
	echo "ftp-server.sh: $*" >&2
	exit 1
}

# Ends the server and its sessions: they are one process group of their own.
stop_server() {
	[[ -n $server ]] || return 0
	kill -TERM -- "-$server" 2>/dev/null || true
	wait "$server" 2>/dev/null || true
	server=''
}

clean_up() {
	stop_server
	rm -f "$dir/port" "$dir/pid"
}

# vsftpd's anonymous mode needs neither root nor system accounts nor PAM, and with secure_email_list it asks for
# a real password. The banner tells this server from whatever else may listen on the port.
write_config() {
	cat >"$dir/vsftpd.conf" <<-END
		listen=YES
		listen_ipv6=NO
		listen_address=127.0.0.1
		listen_port=$1
		background=NO
		run_as_launching_user=YES
		ftpd_banner=yardmaster example $banner
		pasv_address=127.0.0.1
		local_enable=NO
		anonymous_enable=YES
		anon_root=$dir/root
		secure_email_list_enable=YES
		email_password_file=$dir/password
		write_enable=YES
		anon_upload_enable=YES
		anon_mkdir_write_enable=YES
		# allows renaming and overwriting, too
		anon_other_write_enable=YES
		anon_world_readable_only=NO
		anon_umask=022
		xferlog_enable=YES
		vsftpd_log_file=$dir/vsftpd.log
		dual_log_enable=NO
		use_localtime=YES
		# the sandboxes need root or break on newer kernels
		seccomp_sandbox=NO
		isolate=NO
		isolate_network=NO
	END
}

# Does our server, and no other, answer on port $1?
answers() {
	local line=''
	{ exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
	IFS= read -r -t 2 line <&3 || true
	exec 3>&-
	[[ $line == "220 yardmaster example $banner"* ]]
}

# Start the server on port $1 and wait until it answers. False: the port is taken.
start_server() {
	local deadline=$((SECONDS + READY_SECONDS))
	write_config "$1"
	touch "$dir/vsftpd.log"
	chown "$owner" "$dir"/{vsftpd.conf,vsftpd.log,password,root,root/incoming}
	: >"$dir/vsftpd.out"
	# setsid: a process group to stop; pdeathsig: no server stays behind if this script is killed. vsftpd writes
	# why it cannot start to its standard input, where inetd would have put the client.
	setsid "${as_user[@]}" vsftpd "$dir/vsftpd.conf" <>"$dir/vsftpd.out" >&0 2>&0 &
	server=$!
	until answers "$1"; do
		if ! kill -0 "$server" 2>/dev/null; then
			wait "$server" || true
			server=''
			grep -q "could not bind" "$dir/vsftpd.out" && return 1
			die "vsftpd ended at once: $(cat "$dir/vsftpd.out")"
		fi
		((SECONDS < deadline)) || die "vsftpd does not answer on port $1 after $READY_SECONDS s, see $dir"
		sleep 0.05
	done
}

[[ $# -eq 1 || $# -eq 2 ]] || die "usage: ftp-server.sh DIR [PORT]"
PATH=$PATH:/usr/sbin:/sbin
command -v vsftpd >/dev/null || die "vsftpd is missing: install the package vsftpd"
mkdir -p "$1/root/incoming"
dir=$(cd "$1" && pwd)
[[ $dir != *[[:space:]]* ]] || die "vsftpd cannot use a directory with a blank in its name: $dir"
banner=$$-$RANDOM

# As root, do not serve as root.
as_user=(setpriv --pdeathsig TERM)
owner=$(id -u):$(id -g)
if [[ $(id -u) -eq 0 ]]; then
	owner=$(id -u nobody):$(id -g nobody)
	as_user+=(--reuid nobody --regid "$(id -g nobody)" --clear-groups --)
	"${as_user[@]}" test -x "$dir/" || die "user nobody must be able to enter $dir (chmod a+x, on what is above it, too)"
fi
[[ -n ${FTP_PASSWORD:-} ]] || FTP_PASSWORD=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
(umask 077 && echo "$FTP_PASSWORD" >"$dir/password")

trap clean_up EXIT
trap 'exit 0' TERM INT
if [[ $# -eq 2 ]]; then
	port=$2
	start_server "$port" || die "port $port is taken"
else
	for ((tries = 20; tries > 0; tries--)); do
		port=$((20000 + RANDOM % 12000))
		start_server "$port" && break
	done
	((tries > 0)) || die "no free port found: $(cat "$dir/vsftpd.out")"
fi
echo $$ >"$dir/pid"
echo "$port" >"$dir/port.new"
mv "$dir/port.new" "$dir/port" # whoever waits for this file finds it whole
echo "ftp-server.sh: serving $dir/root at ftp://127.0.0.1:$port/ (stop with: kill $$)"
wait "$server"
