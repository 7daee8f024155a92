#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/sources.sh FOLDER: a clean copy of what the packages are built from, without what git, editors and Python
# leave lying about. Every file gets the changelog's date and a fixed mode, so that a build gives the same bytes
# wherever and whenever it runs. Prints the version and that date (seconds since the epoch).
set -eu

target=$1
here=$(dirname "$0")/..

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/eic_sshd/__init__.py")
# Red Hat's distributions have no dpkg-parsechangelog: the newest entry stands first, its version in brackets, its date
# behind two blanks at its end (deb-changelog(5)).
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
    LICENSE Makefile README.md docs eic_sandbox eic_sshd etc packaging systemd | tar -C "$target" -xf -
find "$target" -type d -exec chmod 0755 {} +
find "$target" -type f -perm /111 -exec chmod 0755 {} +
find "$target" -type f -not -perm /111 -exec chmod 0644 {} +
find "$target" -depth -exec touch -h -d "@$epoch" {} +
echo "$version $epoch"
