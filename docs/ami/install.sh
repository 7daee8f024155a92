#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs eic-sshd into the image that is being built, from the package that lies beside this script. Fails, and with it
# the build, if sshd would not ask eic-sshd in that image: then the last lines say why, and what to do.
set -eu
cd "$(dirname "$0")"

# Two helpers for the same keys: the shell one goes before any configuration, so eic-sshd would never be asked.
if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    ! dpkg-query -W ec2-instance-connect >/dev/null 2>&1 || apt-get remove -y ec2-instance-connect
    apt-get update
    set -- ./eic-sshd_*_all.deb ./eic-sshd-selinux_*_all.deb
else
    ! rpm -q ec2-instance-connect >/dev/null || yum remove -y ec2-instance-connect
    set -- ./eic-sshd-[0-9]*.noarch.rpm ./eic-sshd-selinux-[0-9]*.noarch.rpm
fi
[ -e "$2" ] || set -- "$1" # the policy, where it lies beside
if command -v apt-get >/dev/null; then apt-get install -y "$@"; else yum install -y "$@"; fi

# The package has done this already, unless something kept it from it.
eic-sshd enable
eic-sshd check-config >/dev/null
