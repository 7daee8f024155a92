#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs every check and every test: tests/run.sh VENV [PYTEST ARGUMENTS]
set -eu

venv=$1
shift
here=$(dirname "$0")
cd "$here/.."
python=$PWD/$venv/bin/python

echo "== lint, types, import contracts, spelling"
tests/lint.sh "$venv"

echo "== unit tests on the oldest and the newest versions that are supported"
tests/versions.sh "$@"

others="--ignore=tests/instance"
if [ $# = 0 ]; then
    echo "== unit tests"
    "$python" -m pytest -n 4 --dist worksteal tests/unit
    others="$others --ignore=tests/unit"
fi

echo "== integration tests, packages, sandbox; logins through a real sshd"
if [ "$(id -u)" = 0 ]; then
    # shellcheck disable=SC2086 # several options
    "$python" -m testbed.private_host "$python" -m pytest $others "$@"
else
    echo "eic-sshd: not root: logins through a real sshd are skipped"
    # shellcheck disable=SC2086 # as above
    "$python" -m pytest $others "$@"
fi

# Arguments for pytest choose among the tests above; those of the machines have `make test-instance ARGS=...`.
if [ $# = 0 ]; then
    echo "== the packages on Debian machines that are booted for it"
    "$python" -m tests.instance
fi
