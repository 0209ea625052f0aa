# shellcheck shell=bash
# inbox_lib.sh - what the tests of inboxes share. Sourced by tests; STORE is a line for [yardmaster], if there is a store.

STORE=

with_inbox() { # LINE...
	write_ini ${STORE:+"$STORE"} <<-EOF
		[pool:ledger]
		plugin = $PLUGINS/ledger.so
		option.file = $DIR/ledger
		inbox = yes
		$(printf '%s\n' "$@")
	EOF
}

message() { # TEXT
	expect 0 "$YARDMASTER" msg send "$DIR/run/inbox.ledger:y" 5 "$1"
}

waiting_messages() {
	"$YARDMASTER" msg stat "$DIR/run/inbox.ledger:y" --json | sed -n 's/.*"messages": \([0-9]*\).*/\1/p'
}

numbers() {
	cut -d' ' -f1 "$DIR/ledger" | grep -x '[0-9]*'
}

different_numbers() {
	numbers | sort -u | wc -l
}
