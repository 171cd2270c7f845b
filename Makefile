# SPDX-License-Identifier: MIT
# make [all check lint soak bench fuzz install clean]  SAN=address,undefined|thread  V=1
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
PKGS    := fuse3 openssl glib-2.0 gio-2.0 gio-unix-2.0 sqlite3 gmime-3.0 zlib libgsasl
SAN     ?=
comma   := ,
BUILD   := build$(if $(SAN),/san-$(firstword $(subst $(comma), ,$(SAN))))
Q       := $(if $(V),,@)

CFLAGS  ?= -O2 -g
CFLAGS  += -std=c17 -D_GNU_SOURCE -DFUSE_USE_VERSION=314 -I. -MMD -MP -pthread -fPIE \
           -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla -Werror -fstack-protector-strong \
           $(shell pkg-config --cflags $(PKGS))
LDFLAGS += -pthread -pie -Wl,-z,relro,-z,now
LDLIBS  += $(shell pkg-config --libs $(PKGS))
ifneq ($(SAN),)
CFLAGS  += -fsanitize=$(SAN) -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SAN)
else
CFLAGS  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif

LIB     := $(patsubst %.c,$(BUILD)/%.o,$(filter-out fs/main.c,$(sort $(wildcard imap/*.c cache/*.c cache/*/*.c fs/*.c))))
# Programs that tests and the benchmark run; a test is tests/test_MODULE.c.
TOOLS   := $(patsubst tests/tool_%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/tool_*.c)))
TESTS   := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/test_*.c)))
HELPERS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/test_% tests/tool_% tests/fuzz_% tests/mock_% tests/preload_%,$(wildcard tests/*.c)))
# tests/test_fs_*.c and imapfs-mock see a mock in place of cache/.
MOCK    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/mock_*.c) $(addprefix tests/,suite.c tempdir.c tsan.c))
STEPPED := $(wildcard cache/replay/replay*.c cache/index/index_writer.c cache/journal/spool.c cache/replay/steps.c)
LINK     = $(Q)mkdir -p $(@D); $(if $(V),,echo "  LD    $@";) $(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/tests/test_%: LDLIBS += $(shell pkg-config --libs check)

all: $(if $(wildcard cache/cache.c),$(BUILD)/imapfs) $(BUILD)/tests/imapfs-mock $(BUILD)/tests/imapfs-steps $(BUILD)/tests/power.so $(TOOLS)

$(BUILD)/imapfs: $(BUILD)/fs/main.o $(LIB)
	$(LINK)

$(BUILD)/tests/imapfs-mock: $(BUILD)/fs/main.o $(BUILD)/tests/mock_cache.o $(BUILD)/tests/mock_change.o $(BUILD)/lib.a
	$(LINK)

# Stops dead at step N of all changes: IMAPFS_STOP_AT=N.
$(BUILD)/tests/imapfs-steps: $(BUILD)/fs/main.o $(filter-out $(STEPPED:%.c=$(BUILD)/%.o),$(LIB)) $(STEPPED:%.c=$(BUILD)/steps/%.o)
	$(LINK)

# An archive, so that a test program takes only what it needs.
$(BUILD)/lib.a: $(LIB)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/imap/%.o: CFLAGS += -DG_LOG_DOMAIN='"imap"'
$(BUILD)/cache/%.o $(BUILD)/steps/cache/%.o: CFLAGS += -DG_LOG_DOMAIN='"cache"'

$(BUILD)/steps/cache/%.o: cache/%.c Makefile
	@mkdir -p $(@D); echo "  CC    $< (steps)"
	$(Q)$(CC) $(CFLAGS) -DIMAPFS_STEPS -c -o $@ $<

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D); echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

$(MOCK): Makefile # named, or the rule for other tests would win where one of these is new
$(BUILD)/tests/test_fs_%: $(BUILD)/tests/test_fs_%.o $(MOCK) $(BUILD)/lib.a
	$(LINK)

# Of what the replay waits for it has had enough soon.
$(BUILD)/tests/test_sweep_write: $(BUILD)/tests/test_sweep_write.o $(HELPERS) \
    $(STEPPED:%.c=$(BUILD)/steps/%.o) $(BUILD)/lib.a
	$(LINK)

$(BUILD)/tests/test_%: $(BUILD)/tests/test_%.o $(HELPERS) $(BUILD)/lib.a
	$(LINK)

$(TOOLS): $(BUILD)/tests/%: $(BUILD)/tests/tool_%.o $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/lib/*.c))
	$(LINK)

$(BUILD)/tests/fault: $(BUILD)/tests/fault.o

$(BUILD)/tests/power.so: tests/preload_power.c tests/lib/power.c tests/lib/power.h
	@mkdir -p $(@D); echo "  LD    $@"
	$(Q)$(CC) $(filter-out -MMD -MP -fPIE -fsanitize=%,$(CFLAGS)) -fPIC -shared -o $@ $(filter %.c,$^) -ldl

tests: $(TESTS)

check: all tests
	$(Q)BUILD=$(BUILD) scripts/run-unit $(TESTS)

lint:
	$(Q)scripts/lint

# The model of tests/tool_model.c for SOAK_TIME seconds, under ceilings, with seeds nobody has seen.
SOAK_TIME ?= 180
soak: all
	$(Q)BUILD=$(BUILD) tests/mount_model.sh $(SOAK_TIME)

bench: all
	$(Q)BUILD=$(BUILD) scripts/bench

# make fuzz T=framer: one libFuzzer target, FUZZ_TIME seconds.
FUZZ_TIME ?= 60
fuzz:
	@mkdir -p $(BUILD)/fuzz/corpus/$(T)
	$(Q)clang $(filter-out -MMD -MP -fPIE -O2,$(CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined -o $(BUILD)/fuzz/$(T) \
	  tests/fuzz_$(T).c tests/frames.c $(wildcard imap/*.c) $(LDLIBS)
	$(Q)$(BUILD)/fuzz/$(T) -max_total_time=$(FUZZ_TIME) $(BUILD)/fuzz/corpus/$(T) $(wildcard tests/corpus/$(T))

install: $(BUILD)/imapfs
	install -D -m 755 $(BUILD)/imapfs $(DESTDIR)$(PREFIX)/bin/imapfs
	install -D -m 644 fs/imapfs.1 $(DESTDIR)$(PREFIX)/share/man/man1/imapfs.1
	install -d $(DESTDIR)/sbin
	ln -sf $(PREFIX)/bin/imapfs $(DESTDIR)/sbin/mount.imapfs

clean:
	rm -rf build

-include $(LIB:.o=.d) $(STEPPED:%.c=$(BUILD)/steps/%.d) $(HELPERS:.o=.d) $(MOCK:.o=.d) $(TESTS:=.d) $(patsubst %.c,$(BUILD)/%.d,$(wildcard tests/tool_*.c tests/lib/*.c))

.PHONY: all tests check lint soak bench fuzz install clean
.SECONDARY:
