#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/lint.sh BUILD: lintian, rpmlint and mandoc on the packages below BUILD; says nothing where all is well.
set -eu

build=$1
here=$(dirname "$0")
"$here/require.sh" lint-packages lintian rpmlint mandoc
# An override of a tag that lintian does not know is an error, and so is suppressing it. This one left lintian after
# Debian 12: without systemd sshd's command decides by itself, slower, never different.
no_init_script=package-supports-alternative-init-but-no-init.d-script
set --
! lintian-explain-tags "$no_init_script" >/dev/null 2>&1 || set -- --suppress-tags "$no_init_script"
# Lintian would rather not be root; what it reads is ours.
said=$(rpmlint -c "$here/rpm/rpmlint.toml" "$build"/rpm/*.rpm 2>&1) || true
found=$(
    lintian --allow-root --pedantic --display-info --display-experimental --fail-on none "$@" "$build"/deb/*.changes
    case $said in
        *" packages and "*" checked; 0 errors, 0 warnings,"*) ;;
        *) echo "$said" ;;
    esac
    mandoc -T lint -W warning "$here"/../docs/man/*.[58] || true
)
[ -z "$found" ] || { echo "$found"; exit 1; }
