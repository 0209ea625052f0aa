# shellcheck shell=bash source-path=SCRIPTDIR
# keys.sh - ftok and crc32 are the same in C, PHP, Perl and Python, and on the command line.

. "$SOURCE/tests/interop/peers.sh"

start_all() {
	local language
	need php perl python
	for language in "${LANGUAGES[@]}"; do
		start_peer "$language" "$language"
	done
}

# On different devices and with letters of all kinds; a symbolic and a hard link are the file itself.
test_ftok() { # sanitized
	local path letter language key files
	start_all
	: >"$DIR/file"
	ln -s file "$DIR/symlink"
	ln "$DIR/file" "$DIR/link"
	mkdir "$DIR/directory"
	files=("$DIR"/{file,symlink,link,directory} / /dev/null /sys)
	for path in "${files[@]}"; do
		for letter in 1 65 121 127 128 200 255; do
			tell c ftok keys "$path" "$letter"
			hear c
			key=$ANSWER
			[[ $key =~ ^-?[0-9]+$ ]] || fail "ftok of $path: \"$key\""
			for language in php perl python; do
				ask "$key" "$language" ftok keys "$path" "$letter"
			done
		done
		expect 0 "$YARDMASTER" ftok "$path" A
		ask "${OUT% *}" php ftok keys "$path" 65
	done
	tell c ftok keys "$DIR/file" 121
	hear c
	key=$ANSWER
	for path in symlink link; do
		ask "$key" c ftok keys "$DIR/$path" 121
	done
	end_peers
}

test_crc32() { # sanitized
	local text language key
	start_all
	for text in a counter 123456789 "$(printf '%0300d' 7)" $'\303\244\303\266 \377' "$(printf '\\%.0s' {1..9})"; do
		tell c crc32 keys "$(hex "$text")"
		hear c
		key=$ANSWER
		for language in php perl python; do
			ask "$key" "$language" crc32 keys "$(hex "$text")"
		done
		# A name as key of a queue and as that of a variable.
		expect 0 "$YARDMASTER" msg get "name:$text"
		expect 0 "$YARDMASTER" msg rm "$key"
	done
	for language in "${LANGUAGES[@]}"; do
		ask 0 "$language" crc32 keys x
		ask 3421780262 "$language" crc32 keys "$(hex 123456789)"
		ask 3411544030 "$language" crc32 keys x0001ff
	done
	end_peers
}
