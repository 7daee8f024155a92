#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the unit tests in environments of their own: on the oldest supported Python and libraries (Amazon Linux 2023,
# RHEL 9), on the oldest cryptography (Ubuntu 22.04's), and on the newest of all.
# Where a Python of that version is not found, the libraries are tried on the system's.
set -eu

# The first of the given versions of Python that runs, wherever it lies.
find_python() {
    for version; do
        for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
            if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
                echo "$candidate"
                return
            fi
        done
    done
    echo "-- SKIPPED: Python $* is not on this machine; the system's takes its place" >&2
    echo /usr/bin/python3
}

# run NAME PYTHON REQUIREMENT...
run() {
    name=$1 interpreter=$2
    shift 2
    venv=.venv-$name
    wanted="$interpreter $*"
    if [ "$(cat "$venv/.requirements" 2>/dev/null)" != "$wanted" ]; then
        rm -rf "$venv"
        "$interpreter" -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
        echo "$wanted" >"$venv/.requirements"
    fi
    "$venv/bin/python" -c 'import sys, cryptography as c, requests as r
print("-- Python", sys.version.split()[0], "cryptography", c.__version__, "requests", r.__version__)'
    # shellcheck disable=SC2086 # pytest's arguments are meant to be split
    "$venv/bin/python" -W error::DeprecationWarning:eic_sshd -m pytest -n 4 --dist worksteal tests/unit $arguments
}

arguments="$*"
run oldest "$(find_python 3.9 3.10)" 'cryptography==36.*' 'requests==2.25.*' PyYAML pytest pytest-xdist hypothesis
run jammy "$(find_python 3.10)" 'cryptography==3.4.8' 'requests==2.25.*' PyYAML pytest pytest-xdist hypothesis
run newest "$(find_python 3.13 3.12)" cryptography requests PyYAML pytest pytest-xdist hypothesis
