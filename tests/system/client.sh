# shellcheck shell=bash disable=SC2034 # variables for the library
# client.sh - the client library as a user has it: installed, built against with pkg-config, used by the example.

# Install, build the example.
build_client() {
	local prefix=$DIR/prefix
	# The make that runs the tests must not hand its options down.
	unset MAKEFLAGS MAKELEVEL MFLAGS
	make -C "$SOURCE" BUILD="$BUILD" PREFIX="$prefix" install >"$DIR/make" 2>&1 || fail "make install: $(<"$DIR/make")"
	cp -r "$SOURCE/examples/client" "$DIR/client"
	PKG_CONFIG_PATH=$prefix/lib/pkgconfig make -B -C "$DIR/client" CFLAGS="-O2 -Wall -Wextra -Wconversion -Werror" \
		>"$DIR/make" 2>&1 || fail "make of the example: $(<"$DIR/make")"
	export LD_LIBRARY_PATH=$prefix/lib
	sed -i "s|^instance = uploads|&\ndirectory = $DIR/run|" "$DIR/client/uploads.ini"
	INI=$DIR/client/uploads.ini YARDMASTER=$prefix/bin/yardmaster
	cd "$DIR/client" || fail "no directory $DIR/client"
}

uploads() { # SECONDS PIECES...
	"$DIR/client/uploads" "$DIR/run" "$@"
}

uploads_background() { # SECONDS PIECES...
	"$DIR/client/uploads" "$DIR/run" "$@" >"$DIR/uploads.out" 2>"$DIR/uploads.err" &
	CLIENT=$!
}

shows() { # PART
	grep -qF -e "$1" "$DIR/uploads.out"
}

test_example() {
	build_client
	expect 3 uploads 1 1
	assert_contains "not running" "$ERR" "without an instance"
	expect 2 uploads 1
	start_master
	expect 0 uploads 20 2 3
	assert_contains "piece 1" "$OUT" "progress"
	assert_contains $'done: uploaded 2 pieces\n' "$OUT" "the first result"
	assert_contains "done: uploaded 3 pieces" "$OUT" "the second result"
	expect 1 uploads 20 1 0
	assert_contains "done: uploaded 1 pieces" "$OUT" "the good one"
	assert_contains "failed: exited with code 1: nothing to upload" "$OUT" "the bad one"
	expect 1 uploads 1 300 300 300
	assert_equal 3 "$(grep -c 'takes too long: cancelled$' <<<"$OUT")" "jobs that are cancelled"
	assert_equal 3 "$(grep -c '^job [0-9]* cancelled: ' <<<"$OUT")" "jobs that say so"
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects at the end"
}

test_library() {
	local needed
	build_client
	needed=$(ldd "$DIR/prefix/lib/libyardmaster.so" | awk '{print $1}' | grep -v 'linux-vdso\|ld-linux' | paste -sd' ')
	assert_equal libc.so.6 "$needed" "libraries that it needs"
	assert_equal "" "$(nm -D --defined-only "$DIR/prefix/lib/libyardmaster.so" | awk '$3 !~ /^ym_/')" "symbols that are not ours"
	# What the header promises is there, and nothing of the runtime but that.
	assert_equal "$(grep -o '\bym_\(client\|job\)_[a-z_]*(' "$SOURCE/runtime/client.h" | tr -d '(' | grep -v '^ym_job_over$' | sort -u)" \
		"$(nm -D --defined-only "$DIR/prefix/lib/libyardmaster.so" | awk '$3 ~ /^ym_(client|job)_/ {print $3}' | sort)" \
		"functions of the client"
}

test_header_in_cxx() {
	local cxx
	build_client
	cat >"$DIR/test.cc" <<-'END'
		#include <yardmaster/client.h>
		int main()
		{
			ym_client *client;
			ym_submit job = YM_SUBMIT_INIT;
			ym_err err;
			if (ym_client_open(&client, "none", "/none", &err) == 0)
				return job.fd;
			return err.class_ == YM_ERR_NOT_RUNNING && err.text[0] ? 0 : 1;
		}
	END
	cxx=$(command -v g++ || command -v clang++) || skip "there is no C++ compiler"
	"$cxx" -std=c++11 -Wall -Wextra -Wpedantic -Werror -I"$DIR/prefix/include" -c -o "$DIR/test.o" "$DIR/test.cc" \
		>"$DIR/cc" 2>&1 || fail "$cxx: $(<"$DIR/cc")"
	# Its linker: the libraries of C++ may not be installed.
	"${CC:-gcc}" -o "$DIR/test" "$DIR/test.o" -L"$DIR/prefix/lib" -lyardmaster >"$DIR/cc" 2>&1 || fail "link: $(<"$DIR/cc")"
	expect 0 "$DIR/test"
}

# Everything but the client (and what it holds together) dies and is started anew.
test_instance_killed_and_started_anew() {
	local workers
	build_client
	start_master
	mapfile -t workers < <(worker_pids upload)
	assert_equal 2 "${#workers[@]}" "workers"
	uploads_background 60 15 16 17
	wait_until 10 shows "piece 2"
	slay "$MASTER" "${workers[@]}"
	start_master
	wait "$CLIENT"
	assert_equal 0 $? "exit code of the example: $(<"$DIR/uploads.err")"
	assert_equal 3 "$(grep -c 'done: uploaded 1[567] pieces' "$DIR/uploads.out")" "jobs that are done"
	wait_until 10 nobody_is_left
	stop_master
}

# Its jobs go on without it.
test_client_killed() {
	build_client
	start_master
	uploads_background 60 5 5 5
	wait_until 10 shows "piece 2"
	slay "$CLIENT"
	wait_until 10 nobody_is_left
	wait_until 20 is 3 jobs_in_state "done"
	stop_master
	assert_equal 0 "$(ipc_objects)" "objects at the end"
}

# With ipcrm, while it waits.
test_instance_removed_by_hand() {
	build_client
	start_master
	uploads_background 60 100
	wait_until 10 shows "piece 2"
	ipcrm -a
	wait "$CLIENT"
	assert_equal 3 $? "exit code of the example"
	assert_contains "was removed while this process was in it" "$(<"$DIR/uploads.err")" "what it says"
	kill "$MASTER" 2>/dev/null
	wait "$MASTER"
	MASTER=
}
