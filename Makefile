# harp: `make help` lists what can be made.

BUILD   ?= build
CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
WARN     = -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Werror
PACKAGES = lua5.4 libuv yajl libcurl sqlite3 openssl libcrypt

DEBIAN_BUILD = gcc pkg-config liblua5.4-dev lua-cjson libcurl4-openssl-dev \
               libuv1-dev libyajl-dev libsqlite3-dev libssl-dev libcrypt-dev
DEBIAN_TEST  = lua5.4 lua-busted lua-check lua-socket lua-sec lua-filesystem \
               valgrind cppcheck clang openssl procps

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
LDLIBS   = $(shell pkg-config --libs $(PACKAGES))
COMPILE  = $(CC) -std=c11 -fPIC -fvisibility=hidden $(CFLAGS) $(WARN) $(CPPFLAGS)

CORE     = $(wildcard runtime/base/*.c runtime/wire/*.c runtime/net/*.c \
             runtime/client/*.c runtime/host/*.c bindings/*.c)
PROGRAM  = $(wildcard runtime/main.c runtime/cli/*.c runtime/dispatcher/*.c \
             runtime/daemon/*.c)
EMBEDDED = $(wildcard scripts/harp/*.lua)
CORE_OBJECTS    = $(CORE:%.c=$(BUILD)/%.o) $(EMBEDDED:%.lua=$(BUILD)/%.o)
PROGRAM_OBJECTS = $(PROGRAM:%.c=$(BUILD)/%.o)
