#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs eic-sshd into the image that is being built, from the package in the folder of this script, and the SELinux
# policy if its package is there too. Fails, and with it the build, if sshd would not run eic-sshd in that image: the last
# lines then have the reason and the remedy. It may be run again in an image that has eic-sshd.
set -eu
cd "$(dirname "$0")"

# No program asks a question, and edited configuration stays.
apt_get() {
    DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get -y -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# The package ec2-instance-connect sets sshd's command on its command line, which sshd prefers to any configuration.
if command -v apt-get >/dev/null; then
    set -- ./eic-sshd_*_all.deb
    [ ! -e "$(echo ./eic-sshd-selinux_*_all.deb)" ] || set -- "$@" ./eic-sshd-selinux_*_all.deb
    ! dpkg-query -W ec2-instance-connect >/dev/null 2>&1 || apt_get remove ec2-instance-connect
    apt_get update
    apt_get install "$@"
else
    set -- ./eic-sshd-[0-9]*.noarch.rpm
    [ ! -e "$(echo ./eic-sshd-selinux-[0-9]*.noarch.rpm)" ] || set -- "$@" ./eic-sshd-selinux-[0-9]*.noarch.rpm
    ! rpm -q ec2-instance-connect >/dev/null || yum remove -y ec2-instance-connect </dev/null
    yum install -y "$@" </dev/null
fi

# The package has done this already, unless something prevented it.
eic-sshd enable
eic-sshd check-config --fail-on warning >/dev/null
