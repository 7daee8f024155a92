#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/require.sh WHAT NEED...: ends with status 1 if this machine lacks a NEED of `make WHAT` (a command, or a
# file with its whole path), and prints which packages of this distribution have those that are missing.
set -eu

what=$1
shift

# packages NEED: prints its package in Debian and the one in Red Hat's distributions; `-` if there is none.
packages() {
    case $1 in
        rpmbuild) echo rpm rpm-build ;;
        bzip2) echo bzip2 bzip2 ;;
        /usr/share/selinux/devel/Makefile) echo selinux-policy-dev selinux-policy-devel ;;
        # Without it the spec file uses scriptlets of its own. Debian has no such macros.
        /usr/lib/rpm/macros.d/macros.systemd) echo - systemd-rpm-macros ;;
        dpkg-buildpackage) echo dpkg-dev - ;;
        dh) echo debhelper - ;;
        dh_python3) echo dh-python - ;;
        lintian) echo lintian - ;;
        *) echo "$1" "$1" ;;
    esac
}

install=
for manager in apt-get dnf yum; do
    ! command -v "$manager" >/dev/null || { install="$manager install"; break; }
done

missing=
unknown=
for need; do
    case $need in
        /*) [ ! -e "$need" ] || continue ;;
        *) ! command -v "$need" >/dev/null || continue ;;
    esac
    pair=$(packages "$need")
    case $install in
        apt-get*) package=${pair% *} ;;
        *) package=${pair#* } ;;
    esac
    case $package in
        -) [ "${need#/}" != "$need" ] || unknown="$unknown $need" ;;
        *) missing="$missing $package" ;;
    esac
done
[ -z "$missing$unknown" ] || echo "eic-sshd: make $what: not everything that it needs is on this machine" >&2
[ -z "$missing" ] || echo "eic-sshd: install these packages: ${install:+$install}$missing" >&2
[ -z "$unknown" ] || echo "eic-sshd: only Debian and Ubuntu have these commands:$unknown" >&2
[ -z "$missing$unknown" ]
