# SPDX-License-Identifier: Apache-2.0
"""Every setting of eic-sshd.conf.

`make docs` makes the example file and eic-sshd.conf(5) from this module: docstrings and help texts are what they say.
"""

from __future__ import annotations

from typing import Iterator, Mapping, Tuple

from ..model import key_options
from ..model.public_key import SUPPORTED_TYPES, KeyPolicy
from ..model.value import Value
from . import values
from .access import PolicySettings, UsersSettings
from .section import Section, Setting, Values

# The part of the deadline that is kept for a chained command, however long eic-sshd's own answer takes.
CHAIN_SHARE = 1 / 3


class ImdsSettings(Section, name="imds"):
    """The instance metadata service (IMDS)."""

    endpoint = Setting(
        values.http_endpoint,
        "http://169.254.169.254",
        "The address of IMDS. On subnets with IPv6 only: http://[fd00:ec2::254]. Any other address needs "
        "IPAddressAllow= in a drop-in for eic-sshd.service.",
    )
    request_timeout = Setting(
        values.number(0.05, 10),
        "1.0",
        "The time limit of one request to IMDS, from connecting to the last byte.",
        unit="seconds",
    )
    deadline = Setting(
        values.number(0.1, 30),
        "3.0",
        "The time limit of a whole decision. It includes the chained command, if there is one.",
        unit="seconds",
    )


class InstanceSettings(Section, name="instance"):
    """The identity of this instance."""

    require_ec2_hardware = Setting(
        values.yes_no,
        "yes",
        "Whether pushed keys are granted only if the hardware is the EC2 instance that IMDS names. Xen has no instance "
        "id: there the hardware must be EC2.",
    )
    region = Setting(
        values.blank_separated(values.region),
        "",
        "The regions that the instance may run in, separated by blanks. If empty, any region is allowed: then an "
        "attacker who answers in place of IMDS chooses the region and its domain, and so which roots `roots = auto` "
        "trusts.",
        several_lines=True,
    )


class KeysSettings(Section, name="keys"):
    """Which keys may log in."""

    window = Setting(
        values.whole_number(1, 3600), "60", "How long a pushed key may be valid after the push.", unit="seconds"
    )
    clock_skew = Setting(
        values.whole_number(0, 3600),
        "60",
        "How far the instance's clock may be behind, for keys and for OCSP staples.",
        unit="seconds",
    )
    types = Setting(
        values.key_types,
        " ".join(SUPPORTED_TYPES),
        "The key types that may log in, separated by blanks. DSA keys and certificates are never allowed.",
        several_lines=True,
    )
    min_rsa_bits = Setting(values.whole_number(1024, 16384), "2048", "The minimum size of an RSA key.", unit="bits")
    options = Setting(
        key_options.parse,
        "",
        "Options of authorized_keys (sshd(8)) for each pushed key, such as: restrict,pty. Separate them by commas, "
        "without blanks; write restrict before the options that allow something again. cert-authority and principals "
        "cannot be used; expiry-time with Z needs OpenSSH 9.1. Keys on disk do not get them.",
    )

    @property
    def policy(self) -> KeyPolicy:
        """Which keys may log in, pushed or on disk."""
        return KeyPolicy(self.types, self.min_rsa_bits)


class TrustSettings(Section, name="trust"):
    """Which signers of pushed keys are trusted."""

    roots = Setting(
        values.one_of("auto", "system", "amazon"),
        "auto",
        "The roots that the signer's certificate may chain to: system (the distribution's bundle), amazon (the Amazon "
        "Trust Services roots in that bundle), or auto (amazon if the domain is amazonaws.com, otherwise system).",
    )
    ca_file = Setting(values.path, "", "A file of PEM certificates. If it is set, they are the only roots.")
    require_ocsp = Setting(
        values.yes_no,
        "yes",
        "Whether the signer needs a fresh OCSP staple for each certificate below the root.",
    )


class ServiceSettings(Section, name="service"):
    """The resident daemon."""

    idle_exit = Setting(
        values.whole_number(0, 86400),
        "600",
        "The time without a request after which the daemon ends; systemd starts it again at the next request. 0 means "
        "never.",
        unit="seconds",
    )


class FallbackSettings(Section, name="fallback"):
    """Keys on disk, for sites whose sshd reads none itself.

    Keys with options are skipped: printed without them they would allow more.
    """

    keys_file = Setting(
        values.path_of_user,
        "",
        "For sites with `AuthorizedKeysFile none`: the file of a user's public keys, with %u in place of the user. It "
        "must belong to root, and the user eic-sshd must be able to read it.",
    )
    when = Setting(
        values.one_of("never", "unavailable", "no-key"),
        "never",
        "When the keys in that file are granted: never, unavailable (if pushed keys are not available), or no-key (if "
        "no pushed key is granted, for whatever reason).",
    )


class ChainSettings(Section, name="chain"):
    """The site's own AuthorizedKeysCommand.

    It runs after eic-sshd has decided, as sshd would run it: as the AuthorizedKeysCommandUser, with PATH, USER,
    LOGNAME, HOME and sshd's LANG in its environment. EIC_SSHD_CHAINED is set too, by which eic-sshd detects that it
    chains to itself. Its parent process is eic-sshd. sshd receives its output if its exit status is 0. It may use the
    rest of the deadline, at least a third of it, and print 16 MiB: for a slow directory service, increase the deadline.
    If the resident daemon hangs, both together may take a second more. It does not run if the key that sshd asks for is
    granted already.
    """

    command = Setting(
        values.command,
        "",
        "The command, with sshd's tokens. `eic-sshd enable --chain` sets it to the one in sshd_config.",
    )


class LogSettings(Section, name="log"):
    """Where decisions and their reasons are recorded."""

    destination = Setting(
        values.log_destination,
        "journal",
        "Where records are written: journal, syslog, stderr, or the absolute path of a file (JSON lines). A file needs "
        "ReadWritePaths= in a drop-in for eic-sshd.service.",
    )
    level = Setting(
        values.log_level, "info", "The lowest severity that is recorded: err, warning, notice, info or debug."
    )


SECTIONS = (
    ImdsSettings,
    InstanceSettings,
    KeysSettings,
    TrustSettings,
    ServiceSettings,
    FallbackSettings,
    ChainSettings,
    UsersSettings,
    PolicySettings,
    LogSettings,
)


class Config(Value):
    """All settings."""

    imds: ImdsSettings
    instance: InstanceSettings
    keys: KeysSettings
    trust: TrustSettings
    service: ServiceSettings
    fallback: FallbackSettings
    chain: ChainSettings
    users: UsersSettings
    policy: Mapping[str, PolicySettings]
    log: LogSettings

    def sections(self) -> Iterator[Tuple[str, Section]]:
        """Each section with its header, in their order."""
        for section in self:
            if isinstance(section, Section):
                yield section.name, section
            else:
                yield from ((one.header(name), one) for name, one in section.items())

    @property
    def decision_deadline(self) -> float:
        """Seconds that a decision may take: the deadline without the part that is kept for a chained command."""
        return self.imds.deadline * (1 - CHAIN_SHARE if self.chain.command else 1)


def build(given: Values) -> Config:
    """The configuration with these values; all other settings have their defaults."""
    return Config(
        imds=ImdsSettings.of(given),
        instance=InstanceSettings.of(given),
        keys=KeysSettings.of(given),
        trust=TrustSettings.of(given),
        service=ServiceSettings.of(given),
        fallback=FallbackSettings.of(given),
        chain=ChainSettings.of(given),
        users=UsersSettings.of(given),
        policy=PolicySettings.each_of(given),
        log=LogSettings.of(given),
    )
