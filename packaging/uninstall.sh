#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/uninstall.sh TARGET DESTDIR: removes what `make TARGET` installed below DESTDIR. Edited configuration and
# folders that are not empty stay.
set -eu

target=$1 root=$2
here=$(dirname "$0")/..

refuse() {
    echo "eic-sshd: not uninstalled: $*" >&2
    exit 1
}

if [ "$target" = install ] && grep -Eiqs '^[[:space:]]*AuthorizedKeysCommand[[:space:]="]+/usr/lib/eic-sshd/' \
    "$root/etc/ssh/sshd_config" "$root"/etc/ssh/sshd_config.d/*.conf; then
    refuse "sshd is configured to run eic-sshd. Run first: eic-sshd disable"
fi
if [ "$target" = install-sandbox ] && [ -e "$root/etc/systemd/system/multi-user.target.wants/eic-sandbox.service" ]; then
    refuse "eic-sandbox.service is enabled. Run first: systemctl disable --now eic-sandbox.service"
fi
case $target in
    install-sandbox) landmark=/usr/bin/eic-sandbox ;;
    *) landmark=/usr/lib/eic-sshd/authorized-keys ;;
esac
if [ -z "$root" ]; then
    for query in 'dpkg-query -S' 'rpm -qf'; do
        ! $query $landmark >/dev/null 2>&1 || refuse "it is a package's. Remove the package"
    done
fi

laid_out=$(mktemp -d)
trap 'rm -rf "$laid_out"' EXIT
trap 'exit 1' HUP INT TERM # dash runs no EXIT trap at a signal by itself
make -s -C "$here" "$target" COMPILE=no DESTDIR="$laid_out"

(cd "$laid_out" && find . -type f) | while read -r file; do
    case $file in
        ./etc/*)
            if [ -e "$root/$file" ] && ! cmp -s "$laid_out/$file" "$root/$file"; then
                echo "eic-sshd: ${file#.} was edited: it stays"
                continue
            fi
            ;;
    esac
    rm -f "$root/$file"
    case $file in
        *.py) # its byte code too
            cache=$root/${file%/*}/__pycache__ module=${file##*/}
            rm -f "$cache/${module%.py}".*.pyc
            rmdir "$cache" 2>/dev/null || true
            ;;
    esac
done
# Below a DESTDIR every folder that it may have created; otherwise only its own folders.
(cd "$laid_out" && find . -mindepth 1 -depth -type d) | while read -r folder; do
    case ${root:+below-destdir}$folder in
        below-destdir* | *eic-sshd* | *eic-sandbox*) rmdir "$root/$folder" 2>/dev/null || true ;;
    esac
done
