#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/lint.sh BUILD: runs lintian, rpmlint and mandoc on the packages below BUILD. Prints what they find, and ends
# with status 1 if they find anything.
set -eu

build=$1
here=$(dirname "$0")
"$here/require.sh" lint-packages lintian rpmlint mandoc
# There is no init script: without systemd sshd's command decides in its own process. Debian 12's lintian has a tag for
# that; later ones do not know it, and suppressing an unknown tag is an error.
no_init_script=package-supports-alternative-init-but-no-init.d-script
set --
! lintian-explain-tags "$no_init_script" >/dev/null 2>&1 || set -- --suppress-tags "$no_init_script"
# lintian warns of running as root; the packages that it reads were built here.
checked=$(rpmlint -c "$here/rpm/rpmlint.toml" "$build"/rpm/*.rpm 2>&1) || true
found=$(
    lintian --allow-root --pedantic --display-info --display-experimental --fail-on none "$@" "$build"/deb/*.changes
    case $checked in
        *" packages and "*" checked; 0 errors, 0 warnings,"*) ;;
        *) echo "$checked" ;;
    esac
    mandoc -T lint -W warning "$here"/../docs/man/*.[58] || true
)
[ -z "$found" ] || { echo "$found"; exit 1; }
