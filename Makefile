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
# Plugins find the functions of workers/plugin.h in the program itself.
ALL_LDFLAGS := -rdynamic -pthread $(SANITIZE) $(LDFLAGS)
LIBS := -luv -linih -ldl -lm

ROOMS   := ipc config runtime runtime/commands workers
SOURCES := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
PARTS   := $(filter-out $(BUILD)/obj/workers/main.o,$(OBJECTS))
HEADERS := $(foreach room,$(ROOMS),$(wildcard $(room)/*.h))

UNIT_SOURCES  := $(wildcard tests/unit/test_*.c)
UNIT_TESTS    := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/tests/%)
TEST_PLUGINS  := $(patsubst tests/plugins/%.c,$(BUILD)/tests/plugins/%.so,$(wildcard tests/plugins/*.c))
EXAMPLES      := $(BUILD)/examples/ftp_upload.so $(BUILD)/examples/hello.so
ALL_C         := $(SOURCES) $(HEADERS) $(wildcard tests/*/*.c tests/*/*.h examples/*/*.c)

# What the project needs of Debian, by purpose.
PACKAGES_BUILD := gcc make pkgconf libc6-dev libuv1-dev libinih-dev
PACKAGES_DEMO  := libcurl4-openssl-dev vsftpd
PACKAGES_TEST  := check clang libclang-rt-14-dev util-linux perl
PACKAGES_LINT  := clang-format clang-tidy cppcheck

# One short line a file; V=1 shows the commands.
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-5s %s\n' $(1) $(2))

.PHONY: all program examples demo check bench install uninstall format lint clean \
        need-build need-demo need-test need-lint tests

all: program

program: $(BUILD)/yardmaster $(BUILD)/include/yardmaster/plugin.h

$(BUILD)/yardmaster: $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(OBJECTS:.o=.d)

# The headers as an installed system has them, for everything that is built like a user's plugin.
$(BUILD)/include/yardmaster/plugin.h: workers/plugin.h
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

need-build:
	@.ci/need $(PACKAGES_BUILD)
need-demo: need-build
	@.ci/need $(PACKAGES_DEMO)
need-test: need-demo
	@.ci/need $(PACKAGES_TEST)

# Installs what is missing first, so the parts are made by a second make.
demo: need-demo
	@$(MAKE) --no-print-directory -j2 program examples
	@examples/ftp/demo.sh

check: need-test
	@$(MAKE) --no-print-directory -j2 program examples tests
	@tests/run.sh $(BUILD)

tests: $(UNIT_TESTS) $(TEST_PLUGINS) $(BUILD)/tests/chaos

# Each figure beside the raw system calls, measured in the same run.
bench: need-build
	@$(MAKE) --no-print-directory -j2 program $(BUILD)/tests/bench $(BUILD)/tests/noop.so
	@unshare --ipc $(BUILD)/tests/bench $(BUILD)/yardmaster $(BUILD)/tests/noop.so

$(BUILD)/tests/test_%: tests/unit/test_%.c $(PARTS)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(PARTS) $$(pkg-config --cflags --libs check) $(LIBS)

$(BUILD)/tests/chaos: tests/chaos/chaos.c
$(BUILD)/tests/bench: tests/bench/bench.c
$(BUILD)/tests/chaos $(BUILD)/tests/bench: $(PARTS)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $(filter %.c %.o,$^) $(LIBS)

$(BUILD)/tests/noop.so: tests/bench/noop.c $(BUILD)/include/yardmaster/plugin.h
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
	install -D -m 644 workers/plugin.h $(DESTDIR)$(PREFIX)/include/yardmaster/plugin.h
	mkdir -p $(DESTDIR)$(PREFIX)/lib/pkgconfig
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' workers/yardmaster.pc.in \
	    >$(DESTDIR)$(PREFIX)/lib/pkgconfig/yardmaster.pc

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/yardmaster $(DESTDIR)$(PREFIX)/include/yardmaster/plugin.h \
	      $(DESTDIR)$(PREFIX)/lib/pkgconfig/yardmaster.pc

need-lint:
	@.ci/need $(PACKAGES_BUILD) $(PACKAGES_LINT)

format: need-lint
	clang-format -i $(ALL_C)

lint: need-lint
	clang-format --dry-run -Werror $(ALL_C)
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppressions-list=.cppcheck -D_GNU_SOURCE -DYM_VERSION='""' $(SOURCES)
	clang-tidy --quiet $(SOURCES) -- -std=gnu11 -D_GNU_SOURCE -DYM_VERSION='""'

clean:
	rm -rf build
