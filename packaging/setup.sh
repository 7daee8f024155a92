#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what the demo, the tests and the benchmarks need: packages of the distribution, a virtual environment VENV of
# the system's Python that uses them, and VENV-clients, which does not. Does nothing if all of it is installed.
set -eu

venv=${1:-.venv}
here=$(dirname "$0")
# What eic-sshd uses and the tests log in with; what builds the packages; what checks them and boots machines.
if command -v apt-get >/dev/null; then
    packages="python3 python3-venv python3-requests python3-cryptography python3-systemd openssl openssh-server
        openssh-client systemd iproute2 util-linux ca-certificates gcc libc6-dev
        make bzip2 debhelper dh-python dpkg-dev rpm selinux-policy-dev
        lintian rpmlint mandoc shellcheck mmdebstrap systemd-container zsh fish rsync"
else
    # Debian alone has what builds .deb packages and boots machines: elsewhere those tests are skipped.
    packages="python3 python3-pip python3-requests python3-cryptography python3-systemd openssl openssh-server
        openssh-clients systemd iproute util-linux ca-certificates gcc glibc-devel
        make bzip2 rpm-build selinux-policy-devel systemd-rpm-macros rsync"
fi

is_installed() {
    if command -v apt-get >/dev/null; then
        dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
    else
        rpm -q "$1" >/dev/null 2>&1
    fi
}

missing=
for package in $packages; do
    is_installed "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "eic-sshd: install these packages, then run it again: dnf install$missing" >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "eic-sshd: these packages are missing:$missing" >&2
        echo "eic-sshd: run this as root, or: sudo apt-get install$missing" >&2
        exit 1
    fi
    apt-get update -qq
    echo "eic-sshd: installing:$missing"
    log=$(mktemp)
    made=$log
    # dash runs no EXIT trap at a signal, unless that ends in an exit.
    trap 'rm -f $made' EXIT
    trap 'exit 1' HUP INT TERM
    # The demo needs sshd's program only: the service is neither started nor enabled.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        made="$made $policy"
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 0755 "$policy"
    fi
    # shellcheck disable=SC2086 # the list is meant to be split
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1 || {
        cat "$log" >&2
        exit 1
    }
    case $missing in
        *openssh-server*)
            deb-systemd-helper disable ssh.service ssh.socket >/dev/null 2>&1 || true
            update-rc.d ssh disable >/dev/null 2>&1 || true
            ;;
    esac
fi

# make_venv FOLDER REQUIREMENTS [OPTION]
make_venv() {
    echo "eic-sshd: making $1"
    # shellcheck disable=SC2086 # the option may be absent
    /usr/bin/python3 -m venv ${3-} "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$2"
}

requirements=$here/../tests/requirements.txt
if ! cmp -s "$requirements" "$venv/.requirements"; then
    make_venv "$venv" "$requirements" --system-site-packages
    "$venv/bin/python" - <<'CHECK'
import cryptography, requests, systemd

for module in (cryptography, requests, systemd):
    if not module.__file__.startswith("/usr/lib"):
        raise SystemExit(f"eic-sshd: {module.__name__} is {module.__file__}, not the distribution's own")
CHECK
    cp "$requirements" "$venv/.requirements"
fi
requirements=$here/../tests/requirements-clients.txt
if ! cmp -s "$requirements" "$venv-clients/.requirements"; then
    make_venv "$venv-clients" "$requirements"
    cp "$requirements" "$venv-clients/.requirements"
fi
