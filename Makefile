# Yardmaster. The two targets for newcomers: `make demo` and `make check`.

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD   ?= build

WARNINGS := -Wall -Wextra -Wshadow -Wconversion
CFLAGS   ?= -O2 -g
SANITIZE ?=
ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DYM_VERSION='"$(VERSION)"' -fPIC -fvisibility=hidden -pthread \
              $(WARNINGS) $(SANITIZE) $(CFLAGS)
# Plugins find the functions of workers/plugin.h in the program itself, but not those of its libraries.
ALL_LDFLAGS := -rdynamic -Wl,--exclude-libs,libuv_a.a:libinih.a:libjansson.a:libz.a:libsqlite3.a:libncursesw.a:libtinfo.a -pthread $(SANITIZE) $(LDFLAGS)
# Where they come as archives, the program carries its libraries in itself: to find, map and bind shared ones would be a
# quarter of the time in which a worker is replaced, and a worker needs none of them. SHARED=1 binds to the shared ones.
# libm is bound to only for what neither the compiler makes into instructions nor libc has, too: with gcc -O2, nothing.
SHARED ?=
archive = $(or $(if $(SHARED),,$(filter /%,$(shell $(CC) -print-file-name=$(1)))),$(2))
# SQLite needs libm for mathematics in SQL, which nothing here uses: a copy of its archive that does without. To find, map
# and bind libm would be a twelfth of the time in which a program starts.
SQLITE      := $(call archive,libsqlite3.a,)
SQLITE_COPY := $(BUILD)/libsqlite3.a
SQLITE_MATH := acos acosh asin asinh atan atan2 atanh cos cosh exp fmod log log10 log2 pow sin sinh sqrt tan tanh trunc
comma := ,
LIBS := $(call archive,libuv_a.a,-luv) $(call archive,libinih.a,-linih) $(call archive,libjansson.a,-ljansson) \
        $(if $(SQLITE),$(SQLITE_COPY) $(SQLITE_MATH:%=-Wl$(comma)--defsym=ym_no_%=ym_no_mathematics),-lsqlite3) \
        $(call archive,libz.a,-lz) $(call archive,libncursesw.a,-lncursesw) $(call archive,libtinfo.a,-ltinfo) \
        -Wl,--as-needed -lc -lm -ldl

ROOMS   := ipc config runtime runtime/sqlite runtime/postgresql runtime/web runtime/commands workers
SOURCES := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
PARTS   := $(filter-out $(BUILD)/obj/workers/main.o,$(OBJECTS))
HEADERS := $(foreach room,$(ROOMS),$(wildcard $(room)/*.h))

# The shared library: the room ipc and the client, which needs some of the runtime but nothing beyond libc. Headers are
# installed as <yardmaster/client.h>, <yardmaster/ipc.h> and <yardmaster/ipc/...>.
SONAME      := libyardmaster.so.0
LIBRARY     := $(BUILD)/$(SONAME)
LIB_RUNTIME := await backlog backlog_stored bell board client client_jobs dispatch histogram index instance lock mailbox payload ready reach share \
               slot stage story submit submit_stored table text transfer view
LIB_OBJECTS := $(filter $(BUILD)/obj/ipc/%,$(OBJECTS)) $(LIB_RUNTIME:%=$(BUILD)/obj/runtime/%.o)
IPC_HEADERS := $(shell sed -n 's|^\#include "ipc/\(.*\)"$$|\1|p' ipc/ipc.h) api.h
PUBLIC      := client.h plugin.h ipc.h $(addprefix ipc/,$(IPC_HEADERS))
MAN_PAGES   := yardmaster-client.3 yardmaster-ipc.3
# Where shells look for the scripts that the program writes. It writes all other man pages, too.
COMPLETIONS := bash:bash-completion/completions/yardmaster zsh:zsh/site-functions/_yardmaster \
               fish:fish/vendor_completions.d/yardmaster.fish
INCLUDES    := $(addprefix $(BUILD)/include/yardmaster/,$(PUBLIC))

UNIT_SOURCES  := $(wildcard tests/unit/test_*.c)
UNIT_TESTS    := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/tests/%)
TEST_PLUGINS  := $(patsubst tests/plugins/%.c,$(BUILD)/tests/plugins/%.so,$(wildcard tests/plugins/*.c))
LIB_EXAMPLES  := $(addprefix $(BUILD)/examples/,segment shared_memory progress client)
EXAMPLES      := $(BUILD)/examples/ftp_upload.so $(BUILD)/examples/hello.so $(LIB_EXAMPLES)
ALL_C         := $(SOURCES) $(HEADERS) $(wildcard tests/*/*.c tests/*/*.h examples/*/*.[ch])

# What the project needs of Debian, by purpose.
PACKAGES_BUILD := gcc make pkgconf libc6-dev libuv1-dev libinih-dev libjansson-dev zlib1g-dev libsqlite3-dev libpq-dev libncurses-dev
PACKAGES_DEMO  := libcurl4-openssl-dev vsftpd
PACKAGES_TEST  := check clang libclang-rt-14-dev mandoc procps util-linux perl php-cli python3 python3-sysv-ipc spin strace \
                  sqlite3 postgresql-15 tzdata zsh fish chromium chromium-driver curl tmux
PACKAGES_BENCH := php-cli supervisor s6 runit postgresql-15
PACKAGES_LINT  := clang-format clang-tidy cppcheck

# One short line a file; V=1 shows the commands.
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-5s %s\n' $(1) $(2))

.PHONY: all program examples demo check bench fuzz chaos install uninstall format lint clean \
        need-build need-demo need-test need-bench need-lint tests

all: program

program: $(BUILD)/yardmaster $(LIBRARY) $(INCLUDES)

$(SQLITE_COPY): Makefile $(SQLITE)
	@mkdir -p $(@D)
	$(call say,COPY,$@)
	$(Q)objcopy $(foreach name,$(SQLITE_MATH),--redefine-sym $(name)=ym_no_$(name)) $(SQLITE) $@

$(BUILD)/yardmaster: $(OBJECTS) | $(if $(SQLITE),$(SQLITE_COPY))
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(LIBRARY): $(LIB_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs $(SANITIZE) $(LDFLAGS) -o $@ $^ -Wl,--as-needed -lc -lm
	$(Q)ln -sf $(SONAME) $(BUILD)/libyardmaster.so

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The assembler takes them in, and tells nobody.
$(BUILD)/obj/runtime/web/assets.o: $(wildcard runtime/web/page/*)

-include $(OBJECTS:.o=.d)

# The headers as an installed system has them, for everything that is built like a user's plugin.
$(BUILD)/include/yardmaster/plugin.h: workers/plugin.h
$(BUILD)/include/yardmaster/ipc.h: ipc/ipc.h
$(BUILD)/include/yardmaster/ipc/%.h: ipc/%.h
	@mkdir -p $(@D)
	$(Q)cp $< $@
# As the tree has it, it includes "../ipc/...".
$(BUILD)/include/yardmaster/client.h: runtime/client.h
	@mkdir -p $(@D)
	$(Q)sed 's|^#include "\.\./ipc/|#include "ipc/|' $< >$@
$(BUILD)/include/yardmaster/plugin.h $(BUILD)/include/yardmaster/ipc.h:
	@mkdir -p $(@D)
	$(Q)cp $< $@

examples: $(EXAMPLES)

$(BUILD)/examples/ftp_upload.so: examples/ftp/ftp_upload.c $(BUILD)/include/yardmaster/plugin.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) $(CFLAGS) -shared -fPIC -I$(BUILD)/include -o $@ $< -lcurl

$(BUILD)/examples/hello.so: examples/hello/hello.c $(BUILD)/include/yardmaster/plugin.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) $(CFLAGS) -shared -fPIC -I$(BUILD)/include -o $@ $<

# Programs that use the shared library as an installed system has it.
$(BUILD)/examples/segment: examples/segment/segment.c
$(BUILD)/examples/shared_memory: $(wildcard examples/shared_memory/*.[ch])
$(BUILD)/examples/progress: examples/progress/progress.c
$(BUILD)/examples/client: examples/client/uploads.c
$(LIB_EXAMPLES): $(LIBRARY) $(INCLUDES)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) $(CFLAGS) $(SANITIZE) -I$(BUILD)/include -o $@ $(filter %.c,$^) \
	    -L$(BUILD) -lyardmaster -Wl,-rpath,'$$ORIGIN/..'

need-build:
	@.ci/need $(PACKAGES_BUILD)
need-demo: need-build
	@.ci/need $(PACKAGES_DEMO)
need-bench: need-build
	@.ci/need $(PACKAGES_BENCH)
need-test: need-demo
	@.ci/need $(PACKAGES_TEST)

# Installs what is missing first, so the parts are made by a second make.
demo: need-demo
	@$(MAKE) --no-print-directory -j2 program examples
	@examples/ftp/demo.sh

check: need-test
	@$(MAKE) --no-print-directory -j2 program examples tests
	@tests/run.sh $(BUILD)

tests: $(UNIT_TESTS) $(TEST_PLUGINS) \
       $(addprefix $(BUILD)/tests/,chaos chaos_group codec-peer inbox-peer interop-peer later.so lock_holder past_minute)

# Longer than in `make check`: FUZZ_SECONDS for each target.
FUZZ_SECONDS ?= 600
fuzz: need-test
	@unshare --ipc tests/fuzz/run.sh $(BUILD) $(FUZZ_SECONDS)

# Longer than in `make check`, and with the statistics; CHAOS_STORE is memory, sqlite or both, and CHAOS_SEED makes the same
# choices again.
CHAOS_SECONDS ?= 600
CHAOS_STORE   ?= both
CHAOS_SEED    ?=
chaos: need-test
	@$(MAKE) --no-print-directory -j2 program $(BUILD)/tests/chaos $(BUILD)/tests/plugins/chaos.so
	@tests/chaos/run.sh $(BUILD) $(CHAOS_SECONDS) $(CHAOS_STORE) $(CHAOS_SEED)

# Each figure beside the raw system calls, measured in the same run. BENCH_WAITING: jobs that wait in a store.
BENCH_WAITING ?= 10000000
BENCHES := bench_board bench_cluster bench_ipc bench_jobs bench_serve bench_store bench_supervise bench_top

bench: need-bench
	@$(MAKE) --no-print-directory -j2 program $(addprefix $(BUILD)/tests/,$(BENCHES) sleeper noop.so mover.so)
	@unshare --ipc $(BUILD)/tests/bench_ipc tests/bench/vars.php
	@$(BUILD)/tests/bench_board
	@unshare --ipc $(BUILD)/tests/bench_jobs $(BUILD)/yardmaster $(BUILD)/tests/noop.so
	@unshare --ipc $(BUILD)/tests/bench_top $(BUILD)/yardmaster
	@unshare --ipc $(BUILD)/tests/bench_store $(BUILD)/yardmaster $(BUILD)/tests/noop.so $(BENCH_WAITING)
	@unshare --ipc tests/bench/bench_cluster.sh $(BUILD)
	@unshare --ipc $(BUILD)/tests/bench_serve $(BUILD)/yardmaster $(BUILD)/tests/mover.so
	@unshare --ipc $(BUILD)/tests/bench_supervise $(BUILD)/yardmaster $(BUILD)/tests/noop.so $(BUILD)/tests/sleeper

$(BUILD)/tests/test_%: tests/unit/test_%.c $(PARTS) | $(if $(SQLITE),$(SQLITE_COPY))
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(PARTS) $$(pkg-config --cflags --libs check) $(LIBS)

$(BUILD)/tests/chaos: $(filter-out tests/chaos/chaos_group.c,$(wildcard tests/chaos/*.[ch]))
$(BUILD)/tests/chaos_group: tests/chaos/chaos_group.c
$(BUILD)/tests/codec-peer: tests/interop/codec.c
$(BUILD)/tests/inbox-peer: tests/interop/inbox.c
$(BUILD)/tests/lock_holder: tests/system/lock_holder.c
$(BUILD)/tests/past_minute: tests/system/past_minute.c
$(BENCHES:%=$(BUILD)/tests/%): $(BUILD)/tests/%: tests/bench/%.c
$(addprefix $(BUILD)/tests/,chaos chaos_group codec-peer inbox-peer lock_holder past_minute $(BENCHES)): \
    $(PARTS) | $(if $(SQLITE),$(SQLITE_COPY))
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $(filter %.c %.o,$^) $(LIBS)

# The child of a supervisor that is measured: as light as can be.
$(BUILD)/tests/sleeper: tests/bench/sleeper.c tests/bench/sleeper.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -o $@ $<

$(BUILD)/tests/later.so: tests/system/later.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -o $@ $<

# Like a program of a user: against the installed headers and the shared library.
$(BUILD)/tests/interop-peer: tests/interop/peer.c $(LIBRARY) $(INCLUDES)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(SANITIZE) $(CFLAGS) -I$(BUILD)/include -o $@ $< \
	    -L$(BUILD) -lyardmaster -Wl,-rpath,'$$ORIGIN/..'

$(BUILD)/tests/noop.so $(BUILD)/tests/mover.so: $(BUILD)/tests/%.so: tests/bench/%.c $(BUILD)/include/yardmaster/plugin.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) $(CFLAGS) -shared -fPIC -I$(BUILD)/include -o $@ $<

$(BUILD)/tests/plugins/%.so: tests/plugins/%.c $(BUILD)/include/yardmaster/plugin.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) $(CFLAGS) -shared -fPIC -I$(BUILD)/include -o $@ $<

-include $(wildcard $(BUILD)/tests/*.d)

install: program
	install -D -m 755 $(BUILD)/yardmaster $(DESTDIR)$(PREFIX)/bin/yardmaster
	install -D -m 755 $(LIBRARY) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libyardmaster.so
	install -d $(DESTDIR)$(PREFIX)/include/yardmaster/ipc $(DESTDIR)$(PREFIX)/lib/pkgconfig
	set -e; for header in $(PUBLIC); do \
	    install -m 644 $(BUILD)/include/yardmaster/$$header $(DESTDIR)$(PREFIX)/include/yardmaster/$$header; done
	set -e; for page in $(MAN_PAGES); do \
	    install -D -m 644 docs/man/$$page $(DESTDIR)$(PREFIX)/share/man/man3/$$page; done
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	set -e; pages=$$($(BUILD)/yardmaster manual); for page in $$pages; do \
	    path=$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page; \
	    $(BUILD)/yardmaster manual $$page >$$path; chmod 644 $$path; done
	set -e; for script in $(COMPLETIONS); do \
	    path=$(DESTDIR)$(PREFIX)/share/$${script#*:}; install -d $${path%/*}; \
	    $(BUILD)/yardmaster completion $${script%%:*} >$$path; chmod 644 $$path; done
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' workers/yardmaster.pc.in \
	    >$(DESTDIR)$(PREFIX)/lib/pkgconfig/yardmaster.pc
	$(if $(DESTDIR),,-ldconfig)

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/yardmaster $(DESTDIR)$(PREFIX)/lib/$(SONAME) \
	      $(DESTDIR)$(PREFIX)/lib/libyardmaster.so $(DESTDIR)$(PREFIX)/lib/pkgconfig/yardmaster.pc \
	      $(addprefix $(DESTDIR)$(PREFIX)/share/man/man3/,$(MAN_PAGES)) \
	      $(addprefix $(DESTDIR)$(PREFIX)/share/man/,man1/yardmaster.1 man1/yardmaster-*.1 man5/yardmaster.ini.5) \
	      $(foreach script,$(COMPLETIONS),$(DESTDIR)$(PREFIX)/share/$(lastword $(subst :, ,$(script)))) \
	      $(addprefix $(DESTDIR)$(PREFIX)/include/yardmaster/,$(PUBLIC))
	-rmdir $(DESTDIR)$(PREFIX)/include/yardmaster/ipc $(DESTDIR)$(PREFIX)/include/yardmaster

need-lint:
	@.ci/need $(PACKAGES_BUILD) $(PACKAGES_LINT)

format: need-lint
	clang-format -i $(ALL_C)

lint: need-lint
	clang-format --dry-run -Werror $(ALL_C)
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppressions-list=.cppcheck -D_GNU_SOURCE -DCLOCK_MONOTONIC=1 -DYM_VERSION='""' $(SOURCES)
	clang-tidy --quiet $(SOURCES) -- -std=gnu11 -D_GNU_SOURCE -DYM_VERSION='""'

clean:
	rm -rf build
