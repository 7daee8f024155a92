# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# The common start of the builders, which source it. $needs: the commands that a builder runs. It sets $work, a folder
# with a clean copy of the sources, which is removed if the build fails; $version; $epoch, the date of that version
# (seconds since the epoch); and $out, the folder for the results.
set -eu
umask 022

out=$1
here=$(dirname "$0")
# shellcheck disable=SC2086,SC2154 # a list, which the builder has set
"$here/require.sh" "${out##*/}" $needs
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM # dash runs no EXIT trap at a signal by itself
work=$(cd "$work" && pwd)
chmod 0755 "$work"

printed=$("$here/sources.sh" "$work/source")
version=${printed% *} epoch=${printed#* }

# tarball FILE: writes the sources, compressed, with the same bytes on every machine.
tarball() {
    tar -C "$work/source" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --format=gnu \
        --transform "s,^\.,eic-sshd-$version," -cf - . | gzip -9n >"$1"
}

# build COMMAND...: runs it without the caller's environment (language, time zone, make's variables). Its output goes to
# the build log; the end of the log is printed if it fails.
build() {
    if ! env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$epoch" \
        "$@" >"$work/build.log" 2>&1; then
        tail -n 60 "$work/build.log" >&2
        exit 1
    fi
}

# finish LEFT-OVER...: removes these, and replaces $out by the results.
finish() {
    rm -rf "$@" "$out"
    mv -T "$work" "$out"
}
