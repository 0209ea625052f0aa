# shellcheck shell=bash
# peers.sh - processes in C, PHP, Perl and Python that do as they are told, line by line; see peer.c for the words.

HERE=$SOURCE/tests/interop
# shellcheck disable=SC2034 # for the tests
LANGUAGES=(c php perl python)

declare -A PEER_IN PEER_OUT PEER_PID

# Leave the test unless the languages it is about are there, with their System V functions.
need() { # LANGUAGE...
	local language
	for language in "$@"; do
		case $language in
		php)
			php -r 'exit(function_exists("sem_get") && function_exists("shm_attach") &&
				function_exists("msg_send") ? 0 : 1);' >/dev/null 2>&1 ||
				skip "there is no PHP with sysvsem, sysvshm and sysvmsg (Debian: php-cli)"
			;;
		perl)
			perl -MIPC::Semaphore -MIPC::Msg -MIPC::SharedMem -e 1 2>/dev/null ||
				skip "there is no Perl with IPC::SysV (Debian: perl)"
			;;
		python)
			/usr/bin/python3 -c 'import sysv_ipc' 2>/dev/null ||
				skip "there is no Python with sysv_ipc (Debian: python3-sysv-ipc)"
			;;
		esac
	done
}

# The command of a language, in COMMAND.
peer_command() { # LANGUAGE
	case $1 in
	c) COMMAND=("$BUILD/tests/interop-peer") ;;
	php) COMMAND=(php -d display_errors=stderr "$HERE/peer.php") ;;
	perl) COMMAND=(perl "$HERE/peer.pl") ;;
	python) COMMAND=(/usr/bin/python3 "$HERE/peer.py") ;;
	*) fail "no language $1" ;;
	esac
}

start_peer() { # NAME LANGUAGE
	local in out
	peer_command "$2"
	rm -f "$DIR/$1.in" "$DIR/$1.out"
	mkfifo "$DIR/$1.in" "$DIR/$1.out"
	exec {in}<>"$DIR/$1.in" {out}<>"$DIR/$1.out"
	PEER_IN[$1]=$in PEER_OUT[$1]=$out
	"${COMMAND[@]}" <"$DIR/$1.in" >"$DIR/$1.out" 2>>"$DIR/$1.log" {in}>&- {out}>&- &
	PEER_PID[$1]=$!
}

tell() { # NAME VERB ARGUMENTS...
	echo "${*:2}" >&"${PEER_IN[$1]}"
}

# The next line of a peer, in ANSWER.
hear() { # NAME [SECONDS]
	read -r -t "${2:-20}" ANSWER <&"${PEER_OUT[$1]}" || fail "$1 does not answer: $(<"$DIR/$1.log")"
}

# Tell, and insist on the answer.
ask() { # EXPECTED NAME VERB ARGUMENTS...
	tell "${@:2}"
	hear "$2"
	assert_equal "$1" "$ANSWER" "${*:2}"
}

# Tell, and insist on an error whose text has this part.
ask_error() { # PART NAME VERB ARGUMENTS...
	tell "${@:2}"
	hear "$2"
	assert_contains error "$ANSWER" "${*:2}"
	assert_contains "$1" "$ANSWER" "${*:2}"
}

# Forget a peer that has ended.
forget_peer() { # NAME
	local in=${PEER_IN[$1]} out=${PEER_OUT[$1]}
	exec {in}>&- {out}>&-
	unset "PEER_PID[$1]" "PEER_IN[$1]" "PEER_OUT[$1]"
}

# End a peer: "bye" as its program ends, "throw" by an exception, "kill" by SIGKILL.
end_peer() { # NAME HOW
	local pid=${PEER_PID[$1]}
	if [[ $2 == kill ]]; then
		slay "$pid"
	else
		tell "$1" "$2" "$1"
		wait_until 10 ended "$pid"
		wait "$pid"
	fi
	forget_peer "$1"
}

end_peers() {
	local name
	for name in "${!PEER_PID[@]}"; do
		end_peer "$name" bye
	done
}

# A text as peers write bytes.
hex() { # TEXT
	printf x
	printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'
}
