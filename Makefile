# harp: `make help` lists what can be made.

BUILD   ?= build
CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
MAKEFLAGS += --no-print-directory
unexport HARP_CALLER HARP_USER HARP_PASSWORD    # servers of our own are meant
WARN     = -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Werror
PACKAGES = lua5.4 libuv yajl libcurl sqlite3 openssl libcrypt

DEBIAN_BUILD = gcc pkg-config liblua5.4-dev lua-cjson lua-argparse libcurl4-openssl-dev \
               libedit-dev libedit2 \
               libuv1-dev libyajl-dev libsqlite3-dev libssl-dev libcrypt-dev libxxhash-dev
DEBIAN_TEST  = lua5.4 lua-busted lua-check lua-socket lua-sec lua-filesystem \
               valgrind cppcheck clang openssl ca-certificates procps \
               iproute2 mandoc zsh tmux
DEBIAN_FUZZ  = clang libclang-rt-14-dev

# One place for "install what is missing": quiet when nothing is.
define ensure
	@missing=$$(for p in $(1); do dpkg -s $$p 2>/dev/null \
	    | grep -q '^Status: install ok installed' || echo $$p; done); \
	[ -z "$$missing" ] || { echo "installing" $$missing; \
	  sudo=$$([ $$(id -u) = 0 ] || echo sudo); \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }
endef

# pkg-config may not be there before `make deps` has run: ask when it is used.
CPPFLAGS = -D_GNU_SOURCE -Iruntime -I. -I$(BUILD) $(shell pkg-config --cflags $(PACKAGES))
# libcurl, OpenSSL, libcrypt and libedit are loaded when they are needed: base/library.h.
LDLIBS   = $(filter-out -lcurl -lssl -lcrypto -lcrypt, \
             $(shell pkg-config --libs $(PACKAGES))) -lm
COMPILE  = $(CC) -std=c11 -fPIC -fvisibility=hidden $(CFLAGS) $(WARN) $(CPPFLAGS)

CORE     = $(wildcard runtime/base/*.c runtime/wire/*.c runtime/net/*.c \
             runtime/client/*.c runtime/host/*.c bindings/*.c)
PROGRAM  = $(wildcard runtime/main.c runtime/cli/*.c runtime/dispatcher/*.c \
             runtime/daemon/*.c)
EMBEDDED = $(wildcard scripts/harp/*.lua scripts/harp/batch/*.lua \
             scripts/cli/*.lua \
             scripts/repl/*.lua) \
             scripts/procedures/example.lua
CORE_OBJECTS    = $(CORE:%.c=$(BUILD)/%.o) $(BUILD)/embedded.o
PROGRAM_OBJECTS = $(PROGRAM:%.c=$(BUILD)/%.o)

FUZZ     = $(patsubst spec/fuzz/%.c,$(BUILD)/%,$(wildcard spec/fuzz/*.c))

.PHONY: all demo check lint valgrind asan fuzz bench soak crash starve install \
        clean help deps deps-test
.SILENT:

all: deps       ## build build/harp and build/harp.so
	$(MAKE) -j$$(nproc) $(BUILD)/harp $(BUILD)/harp.so

demo: all       ## the synopsis at work, on an embedded stack
	$(BUILD)/harp --local scripts/recipes/dispatcher.lua
	$(BUILD)/harp --local scripts/recipes/daemon.lua
	XDG_STATE_HOME=$$(realpath $(BUILD))/demo \
	    $(BUILD)/harp --local --hosts 'web[01-06]' \
	    scripts/recipes/rolling_restart.lua --settle 0.2 --new web@{host} 'web[01-06]'
	$(BUILD)/harp --local --hosts web01,web02,web03 \
	    scripts/recipes/fleet.lua web01 web02 web03

check: all deps-test $(BUILD)/fault.so  ## all specs, under harp and under stock lua5.4
	spec/support/check $(BUILD)

lint: deps-test         ## both compilers, luacheck, cppcheck
	$(MAKE) -j$$(nproc) BUILD=$(BUILD)/clang CC=clang CFLAGS=-O1 \
	    $(BUILD)/clang/harp $(BUILD)/clang/fault.so
	luacheck -q scripts spec
	cppcheck -q --std=c11 --enable=warning,performance,portability \
	    --error-exitcode=1 --suppress=missingIncludeSystem \
	    --suppress=varFuncNullUB \
	    --include=/usr/include/$$($(CC) -print-multiarch)/sys/queue.h \
	    -Iruntime -I. runtime bindings
	echo "lint: clean"

valgrind: all deps-test ## the recipes, with their servers, under valgrind
	spec/support/valgrind $(BUILD)

asan: deps-test         ## the specs under AddressSanitizer and UBSan
	$(MAKE) -j$$(nproc) BUILD=$(BUILD)/asan CFLAGS="-O1 -g -fno-omit-frame-pointer \
	    -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
	    $(BUILD)/asan/harp $(BUILD)/asan/harp.so
	KILLS=10 spec/support/check $(BUILD)/asan

fuzz: deps              ## random input, FUZZ_SECONDS (60) for each reader
	$(call ensure,$(DEBIAN_FUZZ))
	$(MAKE) -j$$(nproc) BUILD=$(BUILD)/fuzz CC=clang CFLAGS="-O1 -g -fno-omit-frame-pointer \
	    -fsanitize=fuzzer-no-link,address,undefined \
	    -fno-sanitize-recover=undefined" fuzz-targets
	spec/fuzz/fuzz $(BUILD)

bench: all deps-test    ## figures: medians, and ratios to a bare program
	spec/bench/bench $(BUILD)

soak: all deps-test     ## a day's work in miniature: nothing may grow
	spec/soak/soak $(BUILD)

crash: all deps-test $(BUILD)/fault.so  ## killed at every write: CRASHES (500) rounds
	HARP_BUILD=$$(realpath $(BUILD)) $(BUILD)/harp spec/crash/crash.lua

starve: all deps-test $(BUILD)/fault.so ## all specs, and no processor for some of their processes
	spec/support/starve $(BUILD)

install: all            ## into PREFIX (/usr/local)
	scripts/install $$(realpath $(BUILD)) $(PREFIX) $(DESTDIR)

clean:                  ## remove what was built
	rm -rf $(BUILD)

help:                   ## this list
	sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

deps:                   ## install what the build needs, if it is missing
	$(call ensure,$(DEBIAN_BUILD))

deps-test: deps         ## install what the tests need, if it is missing
	$(call ensure,$(DEBIAN_TEST))

# Functions are found at the start, and the table of them is read-only then:
# children of the daemon need not find them again, nor can anyone change them.
$(BUILD)/harp: $(CORE_OBJECTS) $(PROGRAM_OBJECTS)
	echo "LD $@"
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,-E,-z,relro,-z,now -o $@ $^ $(LDLIBS)

$(BUILD)/harp.so: $(CORE_OBJECTS)
	echo "LD $@"
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^ $(filter-out -llua5.4 -lsqlite3,$(LDLIBS))

$(BUILD)/fault.so: spec/crash/fault.c
	echo "LD $@"
	mkdir -p $(@D)
	$(COMPILE) -fvisibility=default $(LDFLAGS) -shared -o $@ $<

fuzz-targets: $(FUZZ)
$(FUZZ): $(BUILD)/%: $(BUILD)/spec/fuzz/%.o $(CORE_OBJECTS) \
         $(BUILD)/runtime/daemon/hello.o
	echo "LD $@"
	$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c
	mkdir -p $(@D)
	echo "CC $<"
	$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/embedded.o: $(BUILD)/embedded.c
	$(COMPILE) -c -o $@ $<

# scripts/harp/job.lua becomes the entry "harp/job" of embedded_files.
$(BUILD)/embedded.c: $(EMBEDDED) Makefile
	mkdir -p $(@D)
	echo "GEN $@"
	{ echo '#include "bindings/embedded.h"'; \
	  for f in $(EMBEDDED); do \
	    echo "static const unsigned char text_$$(echo $$f | tr ./ _)[] = {"; \
	    od -An -v -tx1 $$f | sed 's/ \(..\)/0x\1,/g'; echo '};'; done; \
	  echo 'const struct embedded embedded_files[] = {'; \
	  for f in $(EMBEDDED); do \
	    n=$${f#scripts/}; t=text_$$(echo $$f | tr ./ _); \
	    echo "{ \"$${n%.lua}\", (const char *)$$t, sizeof $$t },"; done; \
	  echo '{ 0, 0, 0 } };'; } >$@

-include $(CORE_OBJECTS:.o=.d) $(PROGRAM_OBJECTS:.o=.d) \
         $(FUZZ:$(BUILD)/%=$(BUILD)/spec/fuzz/%.d)
