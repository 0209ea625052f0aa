# shellcheck shell=bash
# ftok.sh - keys of files, and keys as arguments.

# What C computes: the letter, the last byte of the device, the last two of the inode.
key_of() { # PATH LETTER
	local device inode
	read -r device inode < <(stat -c '%d %i' "$1")
	echo $(($(printf '%d' "'$2") << 24 | (device & 255) << 16 | (inode & 65535)))
}

test_ftok() { # sanitized
	local key
	: >"$DIR/file"
	key=$(key_of "$DIR/file" a)
	expect 0 "$YARDMASTER" ftok "$DIR/file" a
	assert_equal "$key $(printf '0x%08x' "$key")" "$OUT" "ftok with a letter"
	key=$(key_of "$DIR/file" y)
	expect 0 "$YARDMASTER" ftok "$DIR/file"
	assert_equal "$key $(printf '0x%08x' "$key")" "$OUT" "ftok without a letter"
	expect 0 "$YARDMASTER" ftok --json "$DIR/file"
	assert_equal "{\"path\": \"$DIR/file\", \"letter\": \"y\", \"key\": $key}" "$OUT" "JSON"
}

test_mistakes() { # sanitized
	expect 2 "$YARDMASTER" ftok
	expect 2 "$YARDMASTER" ftok "$DIR" ab
	assert_contains '"ab" is no project letter' "$ERR" "two letters"
	expect 2 "$YARDMASTER" ftok "$DIR" ''
	expect 2 "$YARDMASTER" ftok "$DIR/missing"
	assert_contains "stat(\"$DIR/missing\")" "$ERR" "missing file"
}

# However a key is written, it is the same object.
test_ways_to_write_a_key() { # sanitized
	local key hex way
	: >"$DIR/file"
	expect 0 "$YARDMASTER" ftok "$DIR/file" c
	read -r key hex <<<"$OUT"
	expect 0 "$YARDMASTER" msg get "$key"
	for way in "$key" "$hex" "$DIR/file:c"; do
		expect 0 "$YARDMASTER" msg stat "$way" --json
		assert_contains "\"key\": $key," "$OUT" "$way"
	done
	expect 0 "$YARDMASTER" msg rm "$key"
	# crc32("hello") is 0x3610a686; a negative number is the same 32 bits.
	expect 0 "$YARDMASTER" msg get name:hello
	expect 0 "$YARDMASTER" msg stat 0x3610a686
	expect 0 "$YARDMASTER" msg rm 907060870
	expect 0 "$YARDMASTER" msg get -2
	expect 0 "$YARDMASTER" msg rm 0xfffffffe
	expect 2 "$YARDMASTER" msg get 0
	expect 2 "$YARDMASTER" msg get nonsense
	assert_contains "name:TEXT" "$ERR" "no key"
	expect 2 "$YARDMASTER" msg get name:
	expect 2 "$YARDMASTER" msg get 0x1ffffffff
}
