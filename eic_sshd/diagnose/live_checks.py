# SPDX-License-Identifier: Apache-2.0
"""Collects what the checks of the running machine judge: IMDS, the clock, the signer, systemd.

The checks of IMDS and of the signer give up the rights of root for good: each check has a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import time
from typing import Callable, Iterator, NamedTuple, Optional

from ..config.schema import Config
from ..decide import dependencies
from ..host import packages, systemd
from ..host.errors import MachineError
from ..host.run import run
from ..log.access import require_journal
from ..log.reader import Journal
from ..log.record_file import RecordFile
from ..log.source import Source
from ..model.reasons import NotGranted
from ..paths import SERVICE_UNIT
from ..sshd.commands import record_writers
from ..sshd.site import Site
from . import clock, firewall, imds_access, imds_probe, recent_entries, recent_records, selinux, trust_now
from .finding import Finding, Severity, unknown

_TIME_DAEMONS = ("chrony.service", "chronyd.service", "systemd-timesyncd.service", "ntpsec.service", "ntp.service")
_TAG = "sys/devices/virtual/dmi/id/board_asset_tag"
_READ_IT = "Run `eic-sshd log --since -1h`"
_MAX_LINES = "500"
_AUDIT_LOG = "/var/log/audit/audit.log"
_DAY = 86400  # seconds
_MAX_AUDIT = 1024 * 1024  # bytes of its end


class LiveChecks(NamedTuple):
    """The checks; `config` and `user` give the configuration and the user that sshd runs eic-sshd as.

    Those that become that user raise NoUser where there is none.
    """

    site: Site
    config: Callable[[], Config]
    user: Callable[[], str]

    def imds(self) -> Iterator[Finding]:
        """Whether the configured endpoint can be used by that user."""
        config, user = self.config(), self.user()
        root_refusal = imds_probe.connect_error(config.imds.endpoint)
        uid = os.geteuid() or _entry(user).pw_uid  # only root can read the firewall's rules
        removal = firewall.removal(uid, "[" in config.imds.endpoint)
        user = _become(user)
        tag, has_own_roots = _asset_tag(self.site.root), config.trust.ca_file is not None
        facts = imds_access.ImdsFacts(user, root_refusal, tag, has_own_roots, removal)
        try:
            yield from imds_access.findings(imds_probe.observe(config.imds.endpoint), facts)
        except NotGranted as refusal:
            yield trust_now.of_refusal(refusal)

    def imds_other(self) -> Iterator[Finding]:
        """What answers at the address of IMDS that is not configured."""
        endpoint = self.config().imds.endpoint
        other = imds_access.IPV4 if "[" in endpoint else imds_access.IPV6
        _become(self.user())
        with contextlib.suppress(NotGranted):  # the check of the libraries reports it
            yield from imds_access.other_address(imds_probe.observe(other), endpoint)

    def clock(self) -> Iterator[Finding]:
        """Whether the clock is right."""
        config = self.config()
        _become(self.user())
        seen = None
        with contextlib.suppress(NotGranted):  # the check of the libraries reports it
            seen = imds_probe.observe(config.imds.endpoint)
        now = time.time()
        date = seen.token.date if seen is not None and seen.token is not None else ""
        daemon = next((unit for unit in _TIME_DAEMONS if _is_active(unit)), None)
        facts = clock.ClockFacts(now, date, daemon, _is_synchronized(), packages.install("chrony"))
        yield from clock.findings(facts, config.keys)

    def trust(self) -> Iterator[Finding]:
        """Whether the signer is verified, as that user."""
        config = self.config()
        dependencies.load_all()  # the user may not be able to read our modules
        _become(self.user())
        real = dependencies.build(config)
        with real.imds:
            yield from trust_now.findings(config, real, time.time)

    def records(self) -> Iterator[Finding]:
        """What the log of the last day says that is wrong."""
        uids = record_writers(self.site)
        destination = self.config().log.destination
        file = RecordFile(destination, uids) if destination.startswith("/") else None
        now = time.time()
        try:
            require_journal()
            recent = recent_entries.newest(Source(Journal(uids), uids).entries, file, now)
            found = recent_records.findings(recent.entries, now, recent_entries.text(recent, now))
            if not recent.is_cut:
                yield from found
                return
            yield from (one for one in found if one.severity is not Severity.OK)
            yield unknown("log-too-long", "the log", "its newest entries could not be read in time", _READ_IT)
        except MachineError as problem:
            yield unknown("log-unreadable", problem.subject, problem.problem, problem.remedy)


class NoUser(Exception):
    """The user that sshd runs eic-sshd as, or would, does not exist; the argument is its name."""


def _entry(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise NoUser(user) from None


def _become(user: str) -> str:
    """Give up root's rights for those of `user`, for good. Returns the user that this process then is.

    Raises NoUser, and OSError where that fails, so that no check is made with more rights.
    """
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    entry = _entry(user)
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    return user


def _is_active(unit: str) -> bool:
    try:
        return systemd.is_running() and systemd.is_state("active", unit)
    except MachineError:
        return False


def _is_synchronized() -> Optional[bool]:
    """timedatectl(1): what the kernel reports; None without systemd."""
    try:
        shown = systemd.timedate("NTPSynchronized").get("NTPSynchronized")
    except MachineError:
        return None
    return {"yes": True, "no": False}.get(shown or "")


def is_started_by_socket() -> bool:
    """Whether systemd listens for sshd, and starts one for a connection."""
    return any(map(_is_active, ("ssh.socket", "sshd.socket")))


def allowed_addresses() -> str:
    """IPAddressAllow= of the service; `any` where its addresses are not limited, or without systemd."""
    try:
        shown = systemd.show(SERVICE_UNIT, "IPAddressAllow", "IPAddressDeny") if systemd.is_running() else {}
    except MachineError:
        return "any"
    return shown.get("IPAddressAllow", "") if shown.get("IPAddressDeny") else "any"


def last_sighup(pid: int) -> Optional[float]:
    """When sshd last wrote that it restarts because of a SIGHUP (Unix time); None if that is not known."""
    fields = (f"_PID={pid}", "_UID=0", "SYSLOG_IDENTIFIER=sshd")
    try:
        lines = run("journalctl", "-q", "-b", "-r", "-n", _MAX_LINES, "-o", "short-unix", *fields).stdout.splitlines()
    except MachineError:
        return None
    times = [line.partition(" ")[0] for line in lines if "Received SIGHUP" in line]
    return float(times[0]) if times and re.fullmatch(r"\d+\.\d+", times[0]) else None


def denials() -> Iterator[Finding]:
    """What SELinux denied since it was last corrected.

    From the journal, and from the file of auditd, which keeps them from the journal on some systems.
    """
    if not os.path.exists("/sys/fs/selinux/enforce"):
        return
    lines = []
    since = max(time.time() - _DAY, selinux.corrected_at())
    with contextlib.suppress(MachineError):
        options = (
            "-q",
            f"--since=@{since:.0f}",
            "-n",
            _MAX_LINES,
            "-o",
            "cat",
            "_TRANSPORT=audit",
            "+",
            "_TRANSPORT=kernel",
        )
        lines += run("journalctl", *options).stdout.splitlines()
    with contextlib.suppress(OSError), open(_AUDIT_LOG, "rb") as file:
        file.seek(max(os.path.getsize(_AUDIT_LOG) - _MAX_AUDIT, 0))
        lines += [line for line in file.read().decode("utf-8", "replace").splitlines() if _is_since(line, since)]
    yield from selinux.denials(lines, packages.install("eic-sshd-selinux"))


def _is_since(line: str, since: float) -> bool:
    """An audit record begins with `msg=audit(SECONDS.MILLISECONDS:NUMBER)`."""
    at = re.search(r"msg=audit\((\d+)\.", line)
    return at is not None and int(at.group(1)) >= since


def _asset_tag(root: str) -> str:
    """On Nitro the instance id (host/hardware.py); empty where there is none."""
    try:
        with open(os.path.join(root, _TAG), encoding="ascii", errors="replace") as file:
            return file.read(256).strip()
    except OSError:
        return ""
