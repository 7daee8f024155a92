#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs eic-sshd into the image that is being built, from the package that lies beside this script. Fails, and with it
# the build, if sshd would not ask eic-sshd in that image: then the last lines say why, and what to do.
set -eu
cd "$(dirname "$0")"

if command -v apt-get >/dev/null; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y ./eic-sshd_*_all.deb
else
    yum install -y ./eic-sshd-[0-9]*.noarch.rpm
fi

# The package has done this already, unless something kept it from it.
eic-sshd enable
eic-sshd check-config >/dev/null
