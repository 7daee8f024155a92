# SPDX-License-Identifier: Apache-2.0
# eic-sshd: `make help` lists the targets.

SHELL = /bin/sh
DESTDIR =
PYTHON = /usr/bin/python3
VENV = .venv
ARGS =
# Whether to compile byte code with $(PYTHON). Packages do that on the machine where they are installed.
COMPILE = yes

# sshd's drop-in, the units, SELinux's labels and the manual pages name paths below /usr.
ifneq (,$(findstring command line,$(origin PREFIX) $(origin prefix)))
ifneq (,$(filter-out /usr,$(PREFIX) $(prefix)))
$(error PREFIX: only /usr is possible ($(PREFIX)$(prefix)). DESTDIR installs below another folder)
endif
endif
USR = $(DESTDIR)/usr
LIBDIR = $(USR)/lib/eic-sshd
SANDBOX_LIBDIR = $(USR)/lib/eic-sandbox
DOCDIR = $(USR)/share/doc
# Debian's zsh looks for packages' completions in a folder of its own.
ZSH_COMPLETIONS = /usr/share/zsh/$(if $(wildcard /etc/debian_version),vendor-completions,site-functions)
# The folders that `install` creates get mode 0755, whatever the caller's umask.
INSTALL = umask 022 && install

define install_completions
	$(INSTALL) -D -m 0644 -t $(USR)/share/bash-completion/completions packaging/completions/$(1)
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(ZSH_COMPLETIONS) packaging/completions/_$(1)
	$(INSTALL) -D -m 0644 -t $(USR)/share/fish/vendor_completions.d packaging/completions/$(1).fish
endef

.PHONY: help
help:
	@sed -n 's/^## //p' Makefile

## make setup      system packages and a virtual environment on the system's Python (as root on Debian or Ubuntu)
.PHONY: setup
setup:
	packaging/setup.sh $(VENV)

DEMO = $(VENV)/bin/python -m testbed.private_host $(VENV)/bin/python -m testbed.demo

## make demo       shows the main job: push, login, expiry, key on disk (ARGS=--fast: a short window; ARGS=--tour: IAM
##                 policies, a private instance, a tunnel, the trail)
.PHONY: demo
demo: setup
	$(DEMO) $(ARGS)

## make recording  runs the tour and draws docs/tour.svg from it
.PHONY: recording
recording: setup
	$(VENV)/bin/python -m tools.recording docs/tour.svg 'make demo ARGS=--tour' $(DEMO) --tour

## make test       all checks and tests: lint, unit, integration, logins, and (as root) the packages on booted machines
.PHONY: test
test: setup
	tests/run.sh $(VENV) $(ARGS)

## make unit       the unit tests alone
.PHONY: unit
unit: setup
	$(VENV)/bin/python -m pytest -n 4 --dist worksteal tests/unit $(ARGS)

## make lint       linters, docstrings, types, import contracts, spelling
.PHONY: lint
lint: setup
	tests/lint.sh $(VENV)

## make format     formats the code
.PHONY: format
format: setup
	$(VENV)/bin/ruff check --fix --quiet . ; $(VENV)/bin/ruff format .

## make mutate     changes each check of the decision, one at a time: unit tests must notice (ARGS=--module=checks)
.PHONY: mutate
mutate: setup
	$(VENV)/bin/python -m tests.mutation $(ARGS)

## make fuzz       gives each parser malformed input, for nine minutes (ARGS=--seconds=60)
.PHONY: fuzz
fuzz: setup
	$(VENV)/bin/python -m pytest -q -m hypothesis --hypothesis-profile=random tests/unit
	$(VENV)/bin/python -m tests.fuzz $(ARGS)

## make test-long  the long tests that `make test` leaves out: fuzzing, mutation, and (as root) the packages on Debian sid
.PHONY: test-long
test-long: fuzz mutate deb rpm
	$(VENV)/bin/python -m tests.instance --release sid

## make bench      the speed of a decision, as ratios to starting Python
.PHONY: bench
bench: setup
	$(VENV)/bin/python -m benchmarks.oslogin fetch build/oslogin
	@if [ "$$(id -u)" = 0 ]; then host="$(VENV)/bin/python -m testbed.private_host --net"; fi; \
	    $$host $(VENV)/bin/python -m benchmarks $(ARGS)

## make docs       makes docs/reasons.md, manual pages, etc/eic-sshd.conf, the journal's catalogue and completions
.PHONY: docs
docs: setup
	$(VENV)/bin/python tools/documents.py

## make install DESTDIR=D   the layout of the packages, below D
.PHONY: install
install:
	$(INSTALL) -d -m 0755 $(LIBDIR) $(USR)/bin $(DESTDIR)/etc/eic-sshd/conf.d
	$(INSTALL) -d -m 0755 $(DOCDIR)/eic-sshd $(USR)/share/eic-sshd
	$(INSTALL) -m 0755 packaging/authorized-keys $(LIBDIR)/authorized-keys
	for file in $$(find eic_sshd -name '*.py'); do \
	    $(INSTALL) -D -m 0644 $$file $(LIBDIR)/$$file || exit 1; \
	done
	$(INSTALL) -m 0755 packaging/eic-sshd $(USR)/bin/eic-sshd
	[ -z '$(DESTDIR)' -a -e /etc/eic-sshd/eic-sshd.conf ] || \
	    $(INSTALL) -m 0644 etc/eic-sshd.conf $(DESTDIR)/etc/eic-sshd/eic-sshd.conf
	$(INSTALL) -m 0644 etc/60-eic-sshd.conf $(USR)/share/eic-sshd/60-eic-sshd.conf
	$(INSTALL) -D -m 0644 -t $(USR)/lib/systemd/system systemd/eic-sshd.socket systemd/eic-sshd.service
	$(INSTALL) -D -m 0644 -t $(USR)/lib/systemd/system-preset systemd/system-preset/90-eic-sshd.preset
	$(INSTALL) -D -m 0644 -t $(USR)/lib/systemd/catalog systemd/catalog/eic-sshd.catalog
	$(INSTALL) -D -m 0644 systemd/sysusers.d/eic-sshd.conf $(USR)/lib/sysusers.d/eic-sshd.conf
	$(INSTALL) -D -m 0644 systemd/tmpfiles.d/eic-sshd.conf $(USR)/lib/tmpfiles.d/eic-sshd.conf
	$(call install_completions,eic-sshd)
	$(INSTALL) -m 0644 README.md CONTRIBUTING.md LICENSE $(DOCDIR)/eic-sshd/
	$(INSTALL) -D -m 0644 -t $(DOCDIR)/eic-sshd/docs \
	    $(filter-out docs/sandbox.md,$(wildcard docs/*.md docs/tour.svg))
	$(INSTALL) -D -m 0644 -t $(DOCDIR)/eic-sshd/docs/ami docs/ami/*
	$(INSTALL) -D -m 0644 -t $(DOCDIR)/eic-sshd/docs/decisions docs/decisions/*
	$(INSTALL) -D -m 0644 -t $(DOCDIR)/eic-sshd/docs/fleet docs/fleet/*
	$(INSTALL) -D -m 0644 -t $(DOCDIR)/eic-sshd/benchmarks benchmarks/speed.svg
	for page in $(wildcard docs/man/eic-sshd*.5 docs/man/eic-sshd*.8); do \
	    $(INSTALL) -D -m 0644 -t $(USR)/share/man/man$${page##*.} $$page || exit 1; \
	done
	[ $(COMPILE) != yes ] || (umask 022 && $(PYTHON) -m compileall -q -s '$(DESTDIR)' $(LIBDIR)/eic_sshd)

## make uninstall DESTDIR=D   removes what `make install` installed below D, except edited configuration
.PHONY: uninstall
uninstall:
	packaging/uninstall.sh install '$(DESTDIR)'

## make install-sandbox DESTDIR=D   the layout of the package eic-sandbox, below D
.PHONY: install-sandbox
install-sandbox:
	$(INSTALL) -d -m 0755 $(SANDBOX_LIBDIR) $(USR)/bin
	for file in $$(find eic_sandbox -name build -prune -o -name '*.py' -print); do \
	    $(INSTALL) -D -m 0644 $$file $(SANDBOX_LIBDIR)/$$file || exit 1; \
	done
	$(INSTALL) -m 0755 packaging/eic-sandbox $(USR)/bin/eic-sandbox
	$(INSTALL) -D -m 0644 -t $(USR)/lib/systemd/system systemd/eic-sandbox.service
	$(INSTALL) -D -m 0644 -t $(DOCDIR)/eic-sandbox docs/sandbox.md LICENSE
	$(INSTALL) -D -m 0644 -t $(DOCDIR)/eic-sandbox/examples docs/examples/world.yaml
	$(INSTALL) -D -m 0644 -t $(USR)/share/man/man8 docs/man/eic-sandbox.8
	$(call install_completions,eic-sandbox)
	[ $(COMPILE) != yes ] || (umask 022 && $(PYTHON) -m compileall -q -s '$(DESTDIR)' $(SANDBOX_LIBDIR)/eic_sandbox)

.PHONY: uninstall-sandbox
uninstall-sandbox:
	packaging/uninstall.sh install-sandbox '$(DESTDIR)'

## make install-selinux DESTDIR=D   the SELinux policy module, which `make selinux` compiles
.PHONY: install-selinux
install-selinux:
	$(INSTALL) -d -m 0755 $(USR)/share/selinux/packages
	bzip2 -9 <build/selinux/eic_sshd.pp >$(USR)/share/selinux/packages/eic_sshd.pp.bz2
	chmod 0644 $(USR)/share/selinux/packages/eic_sshd.pp.bz2

# What the packages are built from: they are built again only if any of it changed. Folders are listed too, so that a
# removed file counts; not those at the top, since one of them has the name of a target.
SOURCES = $(shell find CONTRIBUTING.md LICENSE Makefile README.md benchmarks/speed.svg \
    docs eic_sandbox eic_sshd etc packaging systemd \
    \( -name __pycache__ -o -name '*.egg-info' -o -path eic_sandbox/build \) -prune -o \( -type f -o -path '*/*' \) -print)

## make deb        build/deb/*.deb, for Debian 12 and 13, Ubuntu 22.04 and later
.PHONY: deb
deb: build/deb/build.log
build/deb/build.log: $(SOURCES)
	packaging/build-deb.sh build/deb

## make source-deb build/source-deb/*.dsc with its tarballs, which dpkg-source -x unpacks and dpkg-buildpackage builds
.PHONY: source-deb
source-deb: build/source-deb/build.log
build/source-deb/build.log: $(SOURCES)
	packaging/build-source-deb.sh build/source-deb

## make rpm        build/rpm/*.rpm, for Amazon Linux 2023, Red Hat Enterprise Linux 9 and its rebuilds
.PHONY: rpm
rpm: build/rpm/build.log
build/rpm/build.log: $(SOURCES)
	packaging/build-rpm.sh build/rpm

## make srpm       build/srpm/*.src.rpm, which rpmbuild --rebuild and mock build
.PHONY: srpm
srpm: build/srpm/build.log
build/srpm/build.log: $(SOURCES)
	packaging/build-rpm.sh build/srpm -bs

## make selinux    build/selinux/eic_sshd.pp, against the reference policy's development files
.PHONY: selinux
selinux: build/selinux/eic_sshd.pp
build/selinux/eic_sshd.pp: $(wildcard packaging/selinux/*)
	mkdir -p build/selinux
	cp $^ build/selinux/
	$(MAKE) -C build/selinux -f /usr/share/selinux/devel/Makefile NAME=targeted eic_sshd.pp

## make lint-packages   lintian, rpmlint and mandoc on the packages
.PHONY: lint-packages
lint-packages: deb rpm
	packaging/lint.sh build

## make test-instance   tests the packages on booted machines with Debian 12 and 13 (as root)
.PHONY: test-instance
test-instance: setup deb rpm
	$(VENV)/bin/python -m tests.instance $(ARGS)

## make clean      removes what was built here
.PHONY: clean
clean:
	rm -rf $(VENV) .venv-* build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
