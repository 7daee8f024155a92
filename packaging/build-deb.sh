#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/build-deb.sh FOLDER: builds the .deb packages into FOLDER, which takes the place of what was there.
set -eu
needs="dpkg-buildpackage dh dh_python3 bzip2 /usr/share/selinux/devel/Makefile"
# shellcheck source=packaging/begin.sh
. "$(dirname "$0")/begin.sh"

cp -a "$work/source/packaging/deb" "$work/source/debian"
cd "$work/source"
# -d: dpkg would otherwise ask for a compiler (build-essential), which nothing here needs.
build dpkg-buildpackage -us -uc -b -d
cd "$OLDPWD"
finish "$work/source"
