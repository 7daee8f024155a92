#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/build-rpm.sh FOLDER: builds the .rpm packages into FOLDER, which takes the place of what was there.
set -eu
# shellcheck source=packaging/begin.sh
. "$(dirname "$0")/begin.sh"

mkdir -p "$work/SOURCES"
tar -C "$work/source" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --format=gnu \
    --transform "s,^\.,eic-sshd-$version," -cf - . | gzip -9n >"$work/SOURCES/eic-sshd-$version.tar.gz"

# --nodeps: BuildRequires names Red Hat's packages, which dpkg's database does not know. The rest is what makes two
# builds give the same bytes: the build's date and host, the files' dates, and a compression that is named.
if ! env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$work" LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$epoch" \
    rpmbuild -bb --nodeps --noclean \
    --define "_topdir $work" \
    --define "_buildhost reproducible" \
    --define "use_source_date_epoch_as_buildtime 1" \
    --define "clamp_mtime_to_source_date_epoch 1" \
    --define "_binary_payload w19.zstdio" \
    "$work/source/packaging/rpm/eic-sshd.spec" >"$work/build.log" 2>&1; then
    tail -n 60 "$work/build.log" >&2
    exit 1
fi
mv "$work"/RPMS/noarch/*.rpm "$work/"
rm -rf "$work/source" "$work/SOURCES" "$work/BUILD" "$work/BUILDROOT" "$work/RPMS" "$work/SPECS" "$work/SRPMS" "$out"
mv -T "$work" "$out"
