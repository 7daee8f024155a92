#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/lint.sh BUILD: lintian, rpmlint and mandoc on the packages below BUILD; says nothing where all is well.
set -eu

build=$1
here=$(dirname "$0")
# Lintian would rather not be root; what it reads is ours.
found=$(
    lintian --allow-root --pedantic --display-info --display-experimental --fail-on none "$build"/deb/*.changes
    rpmlint -c "$here/rpm/rpmlint.toml" "$build"/rpm/*.rpm 2>&1 | grep -E '^[^ ]+: [EWI]: ' || true
    # Which pages of others lie on this machine is not ours to mend.
    mandoc -T lint "$here"/../docs/man/*.[58] 2>/dev/null | grep -v 'referenced manual not found' || true
)
[ -z "$found" ] || { echo "$found"; exit 1; }
