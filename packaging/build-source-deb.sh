#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/build-source-deb.sh FOLDER: builds Debian's source package (3.0, quilt), unsigned, into FOLDER and replaces
# what was in it. The upstream tarball has the sources; debian/ is a copy of packaging/deb.
set -eu
needs="dpkg-buildpackage"
# shellcheck source=packaging/begin.sh
. "$(dirname "$0")/begin.sh"

tarball "$work/eic-sshd_$version.orig.tar.gz"
mv "$work/source" "$work/eic-sshd-$version"
cp -a "$work/eic-sshd-$version/packaging/deb" "$work/eic-sshd-$version/debian"
cd "$work/eic-sshd-$version"
# -nc: nothing was built here that debhelper would have to clean.
build dpkg-buildpackage -us -uc -S -d -nc
cd "$OLDPWD"
finish "$work/eic-sshd-$version"
