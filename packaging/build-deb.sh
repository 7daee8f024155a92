#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/build-deb.sh FOLDER: builds the .deb packages into FOLDER and replaces what was in it.
set -eu
needs="dpkg-buildpackage dh dh_python3 bzip2 /usr/share/selinux/devel/Makefile"
# shellcheck source=packaging/begin.sh
. "$(dirname "$0")/begin.sh"

cp -a "$work/source/packaging/deb" "$work/source/debian"
cd "$work/source"
# -d: without it dpkg requires a compiler (build-essential), which nothing here needs.
build dpkg-buildpackage -us -uc -b -d
cd "$OLDPWD"
finish "$work/source"
