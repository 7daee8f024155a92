# SPDX-License-Identifier: Apache-2.0
"""The checks of `eic-sshd doctor` on a machine, in the order in which a login depends on them."""

from __future__ import annotations

import os
import time
from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional

from ..config import loader
from ..config.schema import Config
from ..host.accounts import is_single_ordinary_user, uid_of
from ..host.errors import MachineError
from ..paths import ACCOUNT
from ..sshd import commands
from ..sshd.drop_in import is_ours
from ..sshd.site import Site
from . import (
    access,
    configuration,
    installation,
    key_options,
    libraries,
    live_checks,
    login,
    login_facts,
    match_blocks,
    obstacles,
    other_logins,
    policies,
    selinux,
    sshd_process,
    user_database,
)
from .check import Check, WithoutRoot
from .finding import Finding, error, from_machine_error, unknown
from .sshd_commands import sshd_unit

_NSSWITCH = "etc/nsswitch.conf"
_NSLCD = "run/nslcd/socket"


class Question(NamedTuple):
    """What doctor looks at: a machine, and one login on it where `user` is not None."""

    site: Site
    user: Optional[str] = None
    address: Optional[str] = None

    def config(self) -> Config:
        """eic-sshd's configuration; of an invalid one the valid sections."""
        try:
            return loader.load(self.site.our_config, missing_ok=True)
        except loader.ConfigError as invalid:
            return invalid.salvaged

    def command_user(self) -> str:
        """The user that sshd runs eic-sshd as, or would."""
        try:
            command, user = commands.in_force(self.site)
        except MachineError:
            return ACCOUNT
        return user if is_ours(command) and is_single_ordinary_user(user) else ACCOUNT


def checks(question: Question) -> List[Check]:
    """All checks; the last one only where the question is about one login."""
    part, nothing, everything = WithoutRoot.PART, WithoutRoot.NOTHING, WithoutRoot.ALL
    live = live_checks.LiveChecks(question.site, question.config, question.command_user)
    listed = [
        Check("program", lambda: _program(question), "installed", part),
        Check("configuration", lambda: _configuration(question), "valid", part),
        Check("sshd", lambda: _sshd(question), "runs eic-sshd", part),
        Check("running-sshd", lambda: _running(question), "up to date", nothing),
        Check("settings", lambda: _settings(question), "accept pushed keys", everything),
        Check("selinux", _selinux, "does not deny eic-sshd", part),
        Check("services", lambda: _services(question), "in order", nothing),
        Check("imds", lambda: _as_user(live.imds), "answers", part),
        Check("imds-other", lambda: _as_user(live.imds_other), "not used", everything),
        Check("clock", lambda: _as_user(live.clock), "right", everything),
        Check("trust", lambda: _as_user(live.trust), "verified", part),
        Check("other-logins", lambda: _other_logins(question), "exist", part),
        Check("user-database", lambda: _database(question), "local", everything),
        Check("records", live.records, "nothing wrong", everything),
    ]
    if question.user is not None:
        listed.append(Check("login", lambda: _login(question), "possible", part))
    return listed


def _as_user(find: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What is found by a check that becomes the user that sshd runs eic-sshd as, if there is that user."""
    try:
        yield from find()
    except live_checks.NoUser as missing:
        yield access.account_missing(str(missing))


def _program(question: Question) -> Iterator[Finding]:
    yield from libraries.python_problems(question.site.root)
    missing = list(access.missing_parts(question.site))
    yield from missing
    user = question.command_user()
    if not missing and user != ACCOUNT:
        yield from access.program_problems(question.site, user)
    yield from libraries.problems()


def _configuration(question: Question) -> Iterator[Finding]:
    path = question.site.our_config
    try:
        config = loader.load(path, missing_ok=True)
    except loader.ConfigError as invalid:
        yield from (from_machine_error("config-invalid", problem) for problem in invalid.found)
        return
    yield from configuration.problems(config)
    yield from key_options.problems(config.keys.options, time.time(), question.site.sshd)
    user = question.command_user()
    if is_single_ordinary_user(user):
        yield from access.config_problems(question.site, user)


def _sshd(question: Question) -> Iterator[Finding]:
    site = question.site
    if not site.sshd.is_installed():
        yield error("sshd-not-installed", site.sshd.program, "it does not exist", "Install openssh-server")
        return
    unreadable = [path for path in {site.sshd.config, *site.sshd_config().files()} if not os.access(path, os.R_OK)]
    if unreadable:
        yield unknown("needs-root", unreadable[0], "this user may not read it", "Run it as root")
        return
    yield from installation.command_problems(site, question.config())
    try:
        command, user = commands.in_force(site)
        if is_ours(command):
            yield from match_blocks.exceptions(site, user)
        yield from policies.uid_warnings(site, question.config())
        yield from installation.second_sshds(site)
    except MachineError as raised:
        yield from_machine_error("sshd-unknown", raised)


def _running(question: Question) -> Iterator[Finding]:
    running = sshd_process.running_sshds(question.site, live_checks.last_sighup)
    files = sshd_process.changed_files(question.site)
    yield from sshd_process.findings(
        running, files, time.time(), live_checks.is_started_by_socket(), f"systemctl start {sshd_unit()}"
    )


def _settings(question: Question) -> Iterator[Finding]:
    try:
        yield from obstacles.warnings(question.site, question.config().keys.types)
        effective = question.site.sshd.effective()
    except MachineError as raised:
        yield unknown("sshd-unknown", raised.subject, raised.problem)
        return
    yield from login.second_factor(effective, question.site.sshd.config)
    yield from obstacles.partly_accepted(effective, question.config().keys.types, question.site.sshd.config)


def _selinux() -> Iterator[Finding]:
    yield from selinux.problems()
    yield from live_checks.denials()


def _services(question: Question) -> Iterator[Finding]:
    user = question.command_user()
    if uid_of(user) is None:
        yield access.account_missing(user)
    if not is_single_ordinary_user(user):
        return
    try:
        yield from installation.service_problems(question.site, question.config(), user)
    except MachineError as raised:
        yield unknown("systemd-unknown", raised.subject, raised.problem)


def _other_logins(question: Question) -> Iterator[Finding]:
    try:
        effective = question.site.sshd.effective()
    except MachineError as raised:
        yield unknown("sshd-unknown", raised.subject, raised.problem)
        return
    users = other_logins.users_with_keys(effective)
    yield from other_logins.findings(other_logins.OtherLogins(effective, question.config().fallback, users))


def _database(question: Question) -> Iterator[Finding]:
    path = os.path.join(question.site.root, _NSSWITCH)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(65536)
    except OSError:
        return  # local files only
    allowed = live_checks.allowed_addresses()
    yield from user_database.findings(text, path, allowed, os.path.exists(os.path.join(question.site.root, _NSLCD)))


def _login(question: Question) -> Iterator[Finding]:
    user = question.user or ""
    try:
        facts = login_facts.collect(question.site, user, question.address, question.config())
    except MachineError as raised:
        yield unknown("sshd-unknown", raised.subject, raised.problem)
        return
    yield from login.findings(facts)
