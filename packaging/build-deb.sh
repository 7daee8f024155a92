#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/build-deb.sh FOLDER: builds the .deb packages into FOLDER, which takes the place of what was there.
set -eu
# shellcheck source=packaging/begin.sh
. "$(dirname "$0")/begin.sh"

cp -a "$work/source/packaging/deb" "$work/source/debian"

# Nothing of the caller's environment gets in: neither its language nor its time zone nor make's variables.
# -d: dpkg would otherwise ask for a compiler (build-essential), which nothing here needs.
if ! (cd "$work/source" && env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 TZ=UTC \
    SOURCE_DATE_EPOCH="$epoch" dpkg-buildpackage -us -uc -b -d) >"$work/build.log" 2>&1; then
    tail -n 60 "$work/build.log" >&2
    exit 1
fi
rm -rf "$work/source" "$out"
mv -T "$work" "$out"
