#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/sources.sh FOLDER: copies what the packages are built from to FOLDER, without the files of git, editors and
# Python's caches. Every file gets the date of the changelog and a fixed mode, so that builds are identical byte for
# byte. Prints the version and that date (seconds since the epoch).
set -eu

target=$1
here=$(dirname "$0")/..

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/eic_sshd/__init__.py")
# Red Hat's distributions have no dpkg-parsechangelog. The newest entry is the first; its version is in parentheses, its
# date at the end after two blanks (deb-changelog(5)).
debian=$(sed -n '1s/^.*(\(.*\)).*$/\1/p' "$here/packaging/deb/changelog")
date=$(sed -n 's/^ -- .*>  //p' "$here/packaging/deb/changelog" | head -n 1)
spec=$(sed -n 's/^Version: *//p' "$here/packaging/rpm/eic-sshd.spec")
sandbox=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/eic_sandbox/__init__.py")
for other in "packaging/deb/changelog=${debian%-*}" "packaging/rpm/eic-sshd.spec=$spec" \
    "eic_sandbox/__init__.py=$sandbox"; do
    if [ "${other#*=}" != "$version" ]; then
        echo "eic-sshd: ${other%%=*} is for version ${other#*=}, eic_sshd/__init__.py says $version:" \
            "give both the same" >&2
        exit 1
    fi
done
epoch=$(date -u -d "$date" +%s)

mkdir -p "$target"
tar -C "$here" --exclude=__pycache__ --exclude=eic_sandbox/build --exclude='*.egg-info' --exclude='*.pyc' --exclude='*~' --exclude='.*.sw?' -cf - \
    CONTRIBUTING.md LICENSE Makefile README.md benchmarks/speed.svg \
    docs eic_sandbox eic_sshd etc packaging systemd | tar -C "$target" -xf -
find "$target" -type d -exec chmod 0755 {} +
find "$target" -type f -perm /111 -exec chmod 0755 {} +
find "$target" -type f -not -perm /111 -exec chmod 0644 {} +
find "$target" -depth -exec touch -h -d "@$epoch" {} +
echo "$version $epoch"
