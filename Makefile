# Two commands do all the set-up on a fresh machine that has Swift: `make run` and `make test`.

SWIFT ?= swift
# Debian's names; what is there already is not asked for again.
RUN_PACKAGES = libmnl-dev libnl-3-dev libsqlite3-dev libssl-dev libpq-dev pkg-config gcc libc6-dev
TEST_PACKAGES = $(RUN_PACKAGES) strace make git nginx-light postgresql curl python3 bash dash iproute2 util-linux \
	e2fsprogs btrfs-progs xfsprogs squashfs-tools mount mawk coreutils findutils sed grep procps perl nodejs busybox-static \
	python3-setproctitle python3-psycopg2 redis-tools dbus-daemon dbus-bin runc skopeo umoci nftables bsdutils \
	rpm ruby python3-pip python3-setuptools python3-wheel python3-venv openssl \
	rpcbind rpcsvc-proto libtirpc-dev prometheus tmux
SERVE_PACKAGES = $(TEST_PACKAGES) chromium chromium-driver
PACKAGES_PACKAGES = $(TEST_PACKAGES) npm
BENCH_PACKAGES = $(TEST_PACKAGES) binutils valgrind sqlite3 python3-venv g++ libsimdjson-dev
GUEST_PACKAGES = $(RUN_PACKAGES) qemu-system-x86 qemu-utils mmdebstrap busybox-static cpio kmod e2fsprogs xz-utils zstd \
	python3 bash mawk
RELIABILITY_PACKAGES = $(RUN_PACKAGES) python3 util-linux mount e2fsprogs btrfs-progs coreutils
PLAN_PACKAGES = $(RUN_PACKAGES) python3 curl strace iproute2 util-linux openssl postgresql redis-server redis-tools nginx-light \
	python3-flask gunicorn mariadb-server nodejs unbound exim4-daemon-light cron perl prometheus-node-exporter default-jdk-headless \
	slapd ldap-utils dovecot-imapd
DEB_PACKAGES = $(RUN_PACKAGES) debhelper dpkg-dev fakeroot binutils
DEB_TEST_PACKAGES = $(DEB_PACKAGES) lintian mmdebstrap systemd python3 util-linux
MOVE_PACKAGES = $(TEST_PACKAGES) $(GUEST_PACKAGES) systemd-container redis-server python3-flask gunicorn rsync sshfs openssh-sftp-server socat apache2-bin apache2-utils haproxy nginx-light \
	dpkg-dev init-system-helpers iputils-arping
# The suites whose stock kernels `test-kernels` boots.
TEST_KERNELS ?= bookworm bookworm-backports trixie-backports
# The suites whose stock kernels the guests boot, and the tests: `all`, or one of Tests/Guests/tests.
KERNELS ?= bookworm
GUEST_TEST ?= all
FUZZ_SECONDS ?= 30
STATE_DIR ?= /var/lib/retinue/daemon
ARGS ?=
# What `test-fleet` simulates.
FLEET_HOSTS ?= 1000
FLEET_RECORDS ?= 10000000
# The folder with the programs that are installed and packaged; of others than the release build's nothing is built.
PRODUCTS ?= $(CURDIR)/.build/release
STRIP ?= -s
SUDO = $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.DEFAULT_GOAL := help

.PHONY: help deb test-deb install-files packages-deb packages-deb-test run build test test-guests test-kernels test-reliability test-plans test-packages test-move test-move-quick test-serve test-fleet test-fuzz test-sanitized lint bench bench-quick install packages-run packages-serve packages-test packages-bench \
	packages-guests packages-move packages-reliability packages-plans packages-packages clean

## Say what can be made.
help:
	@awk '/^## / { if (!text) text = substr($$0, 4); next } /^##/ { next } \
		/^[a-z][a-z-]*:/ && text { name = $$1; sub(":.*", "", name); printf "make %-18s %s\n", name, text } \
		{ text = "" }' $(firstword $(MAKEFILE_LIST))

## Build a release and run the daemon in the foreground.
run: build
	$(SUDO) .build/release/retinued --state-dir $(STATE_DIR) $(ARGS)

## Build the release binaries, the Swift library and that of C++ linked into them.
build: packages-run
	mkdir -p .build/link-first
	ln -sf "$$(gcc -print-file-name=libstdc++.a)" .build/link-first/libstdc++.a
	for product in retinued retinue retinue-agent retinue-server retinue-fleet; do \
		RETINUE_LINK_FIRST=$(CURDIR)/.build/link-first \
			$(SWIFT) build -c release --static-swift-stdlib --product $$product || exit 1; done

## Pass the tests, those against the real kernel included when run as root.
##
## The daemon and the command line that the tests start are those of the release build: what users run. As root the
## privileged tests run a second time, with the daemon as a user of its own under the capabilities and limits of the shipped unit.
test: packages-test build
	$(SWIFT) build --build-tests
	RETINUE_PRODUCTS=$(CURDIR)/.build/release Tests/tell-failures $(SWIFT) test --skip-build --no-parallel
	[ "$$(id -u)" != 0 ] || RETINUE_AS_UNIT=yes RETINUE_PRODUCTS=$(CURDIR)/.build/release \
		Tests/tell-failures $(SWIFT) test --skip-build --no-parallel --filter KernelTests

## Boot stock kernels under qemu, in software, and hold the daemon against its promises in them. Some quarter of an hour a kernel.
test-guests: packages-guests deb
	@for kernel in $(KERNELS); do Tests/Guests/run $$kernel $(GUEST_TEST) || failed=1; done; [ -z "$$failed" ]

## Boot each of several stock kernels and hold what it must show against the daemon. Some two minutes a kernel.
test-kernels: packages-guests build
	@for kernel in $(TEST_KERNELS); do Tests/Guests/run $$kernel core || failed=1; done; [ -z "$$failed" ]

## Prove what takes longer than a test may: faults, kills, full disks, storms, crowds, attackers. As root, an hour.
test-reliability: packages-reliability build
	$(SUDO) Tests/Reliability/all

## Plan real services that ran before they were observed, and try the plans. As root, some minutes; see Tests/Plans.
test-plans: packages-plans build
	$(SUDO) Tests/Plans/all

## Hold what is read of packages against rpm, pip, gem and npm, none of which may be missing. As root, some minutes.
test-packages: packages-packages
	$(SWIFT) build --build-tests
	RETINUE_REQUIRE_PACKAGES=1 Tests/tell-failures $(SWIFT) test --skip-build --no-parallel \
		--filter 'PackagesTests'

## Move services between hosts made of namespaces, and end agents, commands and links at every step. As root, some twenty minutes.
test-move: packages-move build
	$(SUDO) Tests/Move/all

## Move a counter and a shop on three hosts, and see who is refused: two minutes. As root.
test-move-quick: packages-test build
	$(SUDO) Tests/Move/all --quick counter certificates shop

## Let schemathesis look for requests that the JSON API answers otherwise than its description says, and use the map in Chromium. Some minutes.
test-serve: packages-serve build
	Tests/Serve/schemathesis
	Tests/Serve/browser

## Let libFuzzer look for inputs that end a parser, FUZZ_SECONDS for each target, and say how far each went. A quarter of an hour.
test-fuzz: packages-test
	Tests/Fuzz/run --seconds $(FUZZ_SECONDS)

## Pass the unit tests under AddressSanitizer, and read a list by two threads under ThreadSanitizer. Twenty minutes with the builds.
test-sanitized: packages-test build
	Tests/sanitize thread address

## Measure a fleet's store on a server of its own: what it takes in, and a group. FLEET_HOSTS and FLEET_RECORDS say how much.
test-fleet: packages-test build
	Tests/Fleet/measure $(FLEET_HOSTS) $(FLEET_RECORDS)

## Hold the sources against .swift-format.
lint:
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests

## Run the benchmarks, two to three hours, and put what they find into the documents.
bench: packages-bench build
	bench/run
	bench/document

## See in three minutes whether every benchmark still works.
bench-quick: packages-bench build
	bench/run --quick

## Install stripped binaries, man pages, completions, units, user and group, and sample configuration; below DESTDIR, if it is set.
install: build install-files

install-files:
	install -D $(STRIP) -m 755 $(PRODUCTS)/retinued $(DESTDIR)/usr/sbin/retinued
	install -D $(STRIP) -m 755 $(PRODUCTS)/retinue $(DESTDIR)/usr/bin/retinue
	install -D $(STRIP) -m 755 $(PRODUCTS)/retinue-agent $(DESTDIR)/usr/sbin/retinue-agent
	install -D $(STRIP) -m 755 $(PRODUCTS)/retinue-server $(DESTDIR)/usr/libexec/retinue/retinue-server
	install -D $(STRIP) -m 755 $(PRODUCTS)/retinue-fleet $(DESTDIR)/usr/libexec/retinue/retinue-fleet
	install -D -m 644 -t $(DESTDIR)/usr/share/man/man1 docs/man/*.1
	install -D -m 644 -t $(DESTDIR)/usr/share/man/man5 docs/man/*.5
	install -D -m 644 -t $(DESTDIR)/usr/share/man/man8 docs/man/*.8
	packaging/completions.sh $(PRODUCTS)/retinue $(DESTDIR)/usr/share
	install -D -m 644 -t $(DESTDIR)/usr/share/retinue/recipes packaging/recipes/*.recipe
	install -D -m 644 -t $(DESTDIR)/usr/share/retinue/consistency packaging/consistency/*.yaml
	install -D -m 644 -t $(DESTDIR)/usr/share/retinue/prometheus packaging/prometheus/*.yml
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system packaging/*.service
	install -D -m 644 packaging/retinue.sysusers $(DESTDIR)/usr/lib/sysusers.d/retinue.conf
	install -D -m 644 packaging/retinue.tmpfiles $(DESTDIR)/usr/lib/tmpfiles.d/retinue.conf
	install -D -m 644 -t $(DESTDIR)/etc/retinue packaging/retinued.conf packaging/agent.conf packaging/serve.conf packaging/ship.conf

## Make Debian packages of the release build, in .build/deb. PRODUCTS=FOLDER takes programs that are built already.
deb: packages-deb $(if $(filter $(CURDIR)/.build/release,$(PRODUCTS)),build)
	packaging/make-debs $(PRODUCTS) .build/deb

## Hold the packages against lintian, Debian 12 and 13, and the units against systemd-analyze. As root, some minutes.
test-deb: packages-deb-test deb
	$(SUDO) Tests/Packages/run .build/deb

packages-deb:
	@packaging/install-packages $(DEB_PACKAGES)

packages-deb-test:
	@packaging/install-packages $(DEB_TEST_PACKAGES)

packages-run:
	@packaging/install-packages $(RUN_PACKAGES)

packages-serve:
	@packaging/install-packages $(SERVE_PACKAGES)

packages-test:
	@packaging/install-packages $(TEST_PACKAGES)

packages-bench:
	@packaging/install-packages $(BENCH_PACKAGES)

packages-guests:
	@packaging/install-packages $(GUEST_PACKAGES)

packages-reliability:
	@packaging/install-packages $(RELIABILITY_PACKAGES)

packages-packages:
	@if command -v npm >/dev/null; then packaging/install-packages $(TEST_PACKAGES); \
	else packaging/install-packages $(PACKAGES_PACKAGES); fi

packages-move:
	@packaging/install-packages $(MOVE_PACKAGES)

packages-plans:
	@packaging/install-packages $(PLAN_PACKAGES)

clean:
	rm -rf .build
