# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What the builders, which read this in, begin with: in $work, which goes away if the build fails, a clean copy of the
# sources, of $version, whose date is $epoch (seconds since the epoch). What is built goes to $out. $needs is what the
# builder calls.
set -eu
umask 022

out=$1
here=$(dirname "$0")
# shellcheck disable=SC2086,SC2154 # the builder has set it, to a list
"$here/require.sh" "${out##*/}" $needs
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM # dash runs no EXIT trap at a signal by itself
work=$(cd "$work" && pwd)
chmod 0755 "$work"

said=$("$here/sources.sh" "$work/source")
version=${said% *} epoch=${said#* }

# tarball FILE: the sources, compressed, the same bytes whoever makes it.
tarball() {
    tar -C "$work/source" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --format=gnu \
        --transform "s,^\.,eic-sshd-$version," -cf - . | gzip -9n >"$1"
}

# build COMMAND...: runs it with nothing of the caller's environment: neither its language nor its time zone nor make's
# variables. Its output is the build log, which is shown if it fails.
build() {
    if ! env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$epoch" \
        "$@" >"$work/build.log" 2>&1; then
        tail -n 60 "$work/build.log" >&2
        exit 1
    fi
}

# finish LEFT-OVER...: what was built takes the place of what was in $out.
finish() {
    rm -rf "$@" "$out"
    mv -T "$work" "$out"
}
