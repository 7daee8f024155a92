# SPDX-License-Identifier: Apache-2.0
"""Root file systems of Debian releases, as bare as an AMI is before eic-sshd is installed.

Everything that tests install later is in apt's cache, so that `apt-get install ./eic-sshd_*.deb` works without a
network. Images are kept in build/instance; their names depend on how they were made.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Sequence

from tools.documents import ROOT

# The default. Any other suite of Debian can be named, such as sid.
RELEASES = ("bookworm", "trixie")

CACHE = Path(ROOT) / "build" / "instance"
# What an AMI has: Python, since cloud-init needs it, without the libraries that eic-sshd needs.
_INSTALLED = (
    "systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "openssh-client", "iproute2", "procps",
    "python3", "ca-certificates",
)  # fmt: skip
# What the tests install later, with their dependencies and (apt's default) what they recommend.
_AT_HAND = (
    "python3-requests", "python3-cryptography", "python3-systemd", "openssl", "python3-aiohttp", "python3-yaml",
)  # fmt: skip
SSSD = ("sssd-common", "sssd-proxy", "sssd-tools")
RPM = ("rpm",)
SELINUX = ("selinux-policy-default",)
FORWARDING = ("systemd-journal-remote", "stunnel4")
FIREWALL = ("iptables",)
AWS_CLI = ("awscli",)
# Its AWS CLI is version 1, which opens none.
WITHOUT_TUNNELS = ("bookworm",)
_DOWNLOAD = 'chroot "$1" apt-get install -y -qq --download-only -o APT::Install-Recommends='
_ACCOUNTS = ("ec2-user", "deploy")
_LATER = (*SSSD, *RPM, *SELINUX, *FORWARDING, *FIREWALL)
_MAKE_ACCOUNTS = tuple(f'chroot "$1" useradd --create-home --shell /bin/bash {user}' for user in _ACCOUNTS)
_SETTINGS = (
    # Without a name server no test waits for one.
    'rm -f "$1/etc/resolv.conf"',
    'echo instance >"$1/etc/hostname"',
    # An AMI has it, and pam_env logs an error without it.
    'echo LANG=C.UTF-8 >"$1/etc/default/locale"',
)


def _downloads(release: str) -> Sequence[str]:
    later = _LATER if release in WITHOUT_TUNNELS else (*_LATER, *AWS_CLI)
    return f"{_DOWNLOAD}true {' '.join(_AT_HAND)}", f"{_DOWNLOAD}false {' '.join(later)}"


def suite(name: str) -> str:
    """`name`, if a suite can be called that. Raises ValueError."""
    if re.fullmatch("[a-z][a-z0-9-]*", name) is None:
        raise ValueError(name)
    return name


def image(release: str) -> Path:
    """The root file system of `release`, made if it is not there. Raises RuntimeError.

    Needs root, mmdebstrap and Debian's mirror.
    """
    command = _recipe(release)
    digest = hashlib.sha256("\0".join(command).encode()).hexdigest()[:12]
    path = CACHE / f"{release}-{digest}"
    if path.is_dir():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    for stale in CACHE.glob(f"{release}-*"):
        shutil.rmtree(stale)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{release}-", dir=CACHE))
    try:
        unfinished.chmod(0o755)
        done = subprocess.run([*command, str(unfinished)], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(f"mmdebstrap made no image of {release}:\n{done.stderr[-4000:]}")
        os.rename(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return path


def _recipe(release: str) -> Sequence[str]:
    """The command that makes an image, without the folder."""
    return (
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        # A mirror of an unreleased suite may be weeks old, and its Release file expired.
        *([] if release in RELEASES else ['--aptopt=Acquire::Check-Valid-Until "false"']),
        "--skip=cleanup/apt",  # the downloaded packages and apt's lists must stay
        f"--include={','.join(_INSTALLED)}",
        *[f"--customize-hook={line}" for line in (*_MAKE_ACCOUNTS, *_downloads(release), *_SETTINGS)],
        release,
    )
