# Two commands do all the set-up on a fresh machine that has Swift: `make run` and `make test`.

SWIFT ?= swift
# Debian's names; what is there already is not asked for again.
RUN_PACKAGES = libmnl-dev libnl-3-dev libsqlite3-dev pkg-config gcc libc6-dev
TEST_PACKAGES = $(RUN_PACKAGES) strace make git nginx-light postgresql curl python3 bash dash iproute2 util-linux \
	e2fsprogs btrfs-progs squashfs-tools mount mawk coreutils findutils sed grep procps
BENCH_PACKAGES = $(TEST_PACKAGES) binutils valgrind sqlite3 python3-venv
STATE_DIR ?= /var/lib/retinue
ARGS ?=
SUDO = $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: run build test lint bench bench-quick install packages-run packages-test packages-bench clean

## Build a release and run the daemon in the foreground.
run: build
	$(SUDO) .build/release/retinued --state-dir $(STATE_DIR) $(ARGS)

## Build the release binaries, the Swift library linked into them.
build: packages-run
	$(SWIFT) build -c release --static-swift-stdlib --product retinued
	$(SWIFT) build -c release --static-swift-stdlib --product retinue

## Pass the tests, those against the real kernel included when run as root.
##
## The daemon and the command line that the tests start are those of the release build: what users run.
test: packages-test build
	$(SWIFT) build --build-tests
	RETINUE_PRODUCTS=$(CURDIR)/.build/release Tests/tell-failures $(SWIFT) test --skip-build --no-parallel

## Hold the sources against .swift-format.
lint:
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests

## Run the benchmarks, some two hours, and put what they find into the documents.
bench: packages-bench build
	bench/run
	bench/document

## See in three minutes whether every benchmark still works.
bench-quick: packages-bench build
	bench/run --quick

## Install binaries, man pages, unit and sample configuration.
install: build
	install -D -m 755 .build/release/retinued $(DESTDIR)/usr/sbin/retinued
	install -D -m 755 .build/release/retinue $(DESTDIR)/usr/bin/retinue
	install -D -m 644 docs/man/retinued.8 $(DESTDIR)/usr/share/man/man8/retinued.8
	install -D -m 644 docs/man/retinue.1 $(DESTDIR)/usr/share/man/man1/retinue.1
	install -D -m 644 packaging/retinued.service $(DESTDIR)/usr/lib/systemd/system/retinued.service
	install -D -m 644 packaging/retinued.conf $(DESTDIR)/etc/retinue/retinued.conf

packages-run:
	@packaging/install-packages $(RUN_PACKAGES)

packages-test:
	@packaging/install-packages $(TEST_PACKAGES)

packages-bench:
	@packaging/install-packages $(BENCH_PACKAGES)

clean:
	rm -rf .build
