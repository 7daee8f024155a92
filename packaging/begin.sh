# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What build-deb.sh and build-rpm.sh, which read this in, begin with: in $work, which goes away if the build fails, a
# clean copy of the sources, of $version, whose date is $epoch (seconds since the epoch). The packages go to $out.
set -eu
umask 022

out=$1
here=$(dirname "$0")
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM # dash runs no EXIT trap at a signal by itself
work=$(cd "$work" && pwd)
chmod 0755 "$work"

said=$("$here/sources.sh" "$work/source")
# shellcheck disable=SC2034 # both are for whoever reads this in
version=${said% *} epoch=${said#* }
