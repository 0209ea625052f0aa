# shellcheck shell=bash disable=SC2034 # variables for the library
# install.sh - an installed Yardmaster, and a plugin built outside the tree against it.

test_install_and_example() {
	local prefix=$DIR/prefix
	# The make that runs the tests must not hand its options down.
	unset MAKEFLAGS MAKELEVEL MFLAGS
	make -C "$SOURCE" BUILD="$BUILD" PREFIX="$prefix" install >"$DIR/make" 2>&1 || fail "make install: $(<"$DIR/make")"
	expect 0 "$prefix/bin/yardmaster" --version
	cp -r "$SOURCE/examples/hello" "$DIR/hello"
	rm -f "$DIR/hello/hello.so"
	PKG_CONFIG_PATH=$prefix/lib/pkgconfig make -C "$DIR/hello" CFLAGS="-O2 -Wall -Wextra -Werror" >"$DIR/make" 2>&1 ||
		fail "make of the example: $(<"$DIR/make")"
	sed -i "s|^instance = hello|&\ndirectory = $DIR/run|" "$DIR/hello/hello.ini"
	INI=$DIR/hello/hello.ini YARDMASTER=$prefix/bin/yardmaster
	start_master
	expect 0 ym submit hello Ada --wait
	assert_equal "hello, Ada" "$OUT" "result of the example"
	stop_master
	make -C "$SOURCE" BUILD="$BUILD" PREFIX="$prefix" uninstall >"$DIR/make" 2>&1 || fail "make uninstall: $(<"$DIR/make")"
	assert_equal "" "$(find "$prefix" -type f)" "files after make uninstall"
}

test_destdir() {
	local header
	unset MAKEFLAGS MAKELEVEL MFLAGS
	make -C "$SOURCE" BUILD="$BUILD" PREFIX=/usr DESTDIR="$DIR/root" install >"$DIR/make" 2>&1 ||
		fail "make install: $(<"$DIR/make")"
	assert_equal "/usr/bin/yardmaster /usr/include/yardmaster/client.h /usr/include/yardmaster/ipc.h /usr/include/yardmaster/plugin.h /usr/lib/libyardmaster.so.0 \
/usr/lib/pkgconfig/yardmaster.pc /usr/share/bash-completion/completions/yardmaster \
/usr/share/fish/vendor_completions.d/yardmaster.fish \
$("$YARDMASTER" manual | grep '\.1$' | sed 's|^|/usr/share/man/man1/|' | sort | paste -sd' ') \
/usr/share/man/man3/yardmaster-client.3 /usr/share/man/man3/yardmaster-ipc.3 /usr/share/man/man5/yardmaster.ini.5 \
/usr/share/zsh/site-functions/_yardmaster" \
		"$(cd "$DIR/root" && find . -type f ! -path '*/ipc/*' | sed 's/^.//' | sort | paste -sd' ')" "installed files"
	# Each header of the library is complete: whatever it includes is installed, too.
	for header in client.h ipc.h $(cd "$DIR/root/usr/include/yardmaster" && echo ipc/*.h); do
		printf "#include <yardmaster/%s>\nint unused;\n" "$header" | "${CC:-gcc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE \
			-I"$DIR/root/usr/include" -fsyntax-only -x c - || fail "$header does not compile alone"
	done
	assert_lacks "$DIR" "$(<"$DIR/root/usr/lib/pkgconfig/yardmaster.pc")" "pkg-config file"
}

# A plugin may bring one of our libraries in another version: it must not be bound to what the program has in itself.
test_exports() {
	local names
	names=$(nm -D --defined-only "$YARDMASTER" | awk '{print $3}')
	assert_contains ym_progress "$names" "what plugins are offered"
	assert_equal "" "$(grep -E '^(uv|json|jansson|ini)_' <<<"$names")" "names of libraries that plugins would be bound to"
}
