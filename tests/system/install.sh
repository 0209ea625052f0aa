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
	unset MAKEFLAGS MAKELEVEL MFLAGS
	make -C "$SOURCE" BUILD="$BUILD" PREFIX=/usr DESTDIR="$DIR/root" install >"$DIR/make" 2>&1 ||
		fail "make install: $(<"$DIR/make")"
	assert_equal "/usr/bin/yardmaster /usr/include/yardmaster/plugin.h /usr/lib/pkgconfig/yardmaster.pc" \
		"$(cd "$DIR/root" && find . -type f | sed 's/^.//' | sort | paste -sd' ')" "installed files"
	assert_lacks "$DIR" "$(<"$DIR/root/usr/lib/pkgconfig/yardmaster.pc")" "pkg-config file"
}
