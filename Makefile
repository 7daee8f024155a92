# SPDX-License-Identifier: Apache-2.0
# eic-sshd: `make help` lists what there is.

SHELL = /bin/sh
DESTDIR =
PREFIX = /usr
PYTHON = /usr/bin/python3
VENV = .venv
ARGS =

LIBDIR = $(DESTDIR)$(PREFIX)/lib/eic-sshd
# What lies beside the instance's package and is never in it.
SANDBOX = eic_sshd/sandbox eic_sshd/cli/sandbox.py

.PHONY: help
help:
	@sed -n 's/^## //p' Makefile

## make setup      system packages and a virtual environment on the system's Python (as root on Debian or Ubuntu)
.PHONY: setup
setup:
	packaging/setup.sh $(VENV)

## make demo       the main job, seen to work: push, login, expiry, fallback (ARGS=--fast: a short window)
.PHONY: demo
demo: setup
	$(VENV)/bin/python -m eic_sshd.sandbox.private_host $(VENV)/bin/python -m eic_sshd.sandbox.demo $(ARGS)

## make test       everything: linters, types, unit and integration tests, logins through a real sshd
.PHONY: test
test: setup
	tests/run.sh $(VENV) $(ARGS)

## make bench      the speed of a decision, as ratios to starting Python
.PHONY: bench
bench: setup
	$(VENV)/bin/python -m benchmarks.oslogin fetch build/oslogin
	@if [ "$$(id -u)" = 0 ]; then host="$(VENV)/bin/python -m eic_sshd.sandbox.private_host --net"; fi; \
	    $$host $(VENV)/bin/python -m benchmarks $(ARGS)

## make docs       what is made from the code: docs/reasons.md, etc/eic-sshd.conf
.PHONY: docs
docs:
	$(PYTHON) docs/generate.py

## make install DESTDIR=D   the layout of the packages, below D
.PHONY: install
install:
	install -d -m 0755 $(LIBDIR) $(DESTDIR)$(PREFIX)/bin $(DESTDIR)/etc/eic-sshd/conf.d
	install -d -m 0755 $(DESTDIR)$(PREFIX)/share/doc/eic-sshd $(DESTDIR)$(PREFIX)/share/eic-sshd
	install -m 0755 eic_sshd/authorized_keys.py $(LIBDIR)/authorized-keys
	for file in $$(find eic_sshd -name '*.py' $(SANDBOX:%=-not -path '%*')); do \
	    install -D -m 0644 $$file $(LIBDIR)/$$file || exit 1; \
	done
	install -m 0755 packaging/eic-sshd $(DESTDIR)$(PREFIX)/bin/eic-sshd
	install -m 0644 etc/eic-sshd.conf $(DESTDIR)/etc/eic-sshd/eic-sshd.conf
	install -m 0644 etc/60-eic-sshd.conf $(DESTDIR)$(PREFIX)/share/eic-sshd/60-eic-sshd.conf
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system systemd/eic-sshd.socket systemd/eic-sshd.service
	install -D -m 0644 systemd/sysusers.d/eic-sshd.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/eic-sshd.conf
	install -D -m 0644 systemd/tmpfiles.d/eic-sshd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/eic-sshd.conf
	install -m 0644 README.md LICENSE docs/reasons.md docs/sandbox.md $(DESTDIR)$(PREFIX)/share/doc/eic-sshd/
	$(PYTHON) -m compileall -q -s '$(DESTDIR)' $(LIBDIR)/eic_sshd

## make install-sandbox DESTDIR=D   the sandbox, on top of `make install`
.PHONY: install-sandbox
install-sandbox:
	for file in $$(find $(SANDBOX) -name '*.py'); do install -D -m 0644 $$file $(LIBDIR)/$$file || exit 1; done

## make clean      take away what was built here
.PHONY: clean
clean:
	rm -rf $(VENV) .venv-oldest .venv-newest build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
