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
    apt-get install -y ./eic-sshd_*_all.deb
else
    ! rpm -q ec2-instance-connect >/dev/null || yum remove -y ec2-instance-connect
    set -- ./eic-sshd-[0-9]*.noarch.rpm
    # The policy, where it lies beside.
    [ ! -e "$(echo ./eic-sshd-selinux-[0-9]*.noarch.rpm)" ] || set -- "$@" ./eic-sshd-selinux-[0-9]*.noarch.rpm
    yum install -y "$@"
fi

# The package has done this already, unless something kept it from it.
eic-sshd enable
eic-sshd check-config >/dev/null
