#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/build-rpm.sh FOLDER [-bs]: builds the .rpm packages (with -bs the source package) into FOLDER and replaces
# what was in it.
set -eu
stage=${2:--bb}
needs=rpmbuild
[ "$stage" = -bs ] || needs="rpmbuild bzip2 /usr/share/selinux/devel/Makefile /usr/lib/rpm/macros.d/macros.systemd"
# shellcheck source=packaging/begin.sh
. "$(dirname "$0")/begin.sh"

mkdir -p "$work/SOURCES"
tarball "$work/SOURCES/eic-sshd-$version.tar.gz"
touch -d "@$epoch" "$work/SOURCES/eic-sshd-$version.tar.gz"

# The header of a source package has the spec file as rpmbuild expanded it, so it must not contain our path.
topdir=$work
[ "$stage" != -bs ] || topdir=.
cd "$work"
# --nodeps: BuildRequires names Red Hat's packages, which Debian's rpm does not know. The definitions make two builds
# identical byte for byte: a fixed date and host, fixed dates of the files, and a fixed compression.
build rpmbuild "$stage" --nodeps --noclean \
    --define "_topdir $topdir" \
    --define "_buildhost reproducible" \
    --define "use_source_date_epoch_as_buildtime 1" \
    --define "clamp_mtime_to_source_date_epoch 1" \
    --define "_binary_payload w19.zstdio" \
    --define "_source_payload w19.zstdio" \
    source/packaging/rpm/eic-sshd.spec
case $stage in
    -bs) mv SRPMS/*.rpm . ;;
    *) mv RPMS/noarch/*.rpm . ;;
esac
rm -rf BUILD BUILDROOT RPMS SOURCES SPECS SRPMS
cd "$OLDPWD"
finish "$work/source"
