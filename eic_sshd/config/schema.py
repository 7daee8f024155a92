# SPDX-License-Identifier: Apache-2.0
"""Every setting of eic-sshd.conf: its default, what values it takes, and what it is for."""

from __future__ import annotations

import re
from typing import Any, Callable, FrozenSet, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from ..model import keys_command, partition
from ..model.public_key import SUPPORTED_TYPES, KeyPolicy
from ..model.reasons import DEBUG, ERR, INFO, NOTICE, WARNING

# The share of the deadline that is kept for a chained command, however long eic-sshd's own answer takes.
CHAIN_SHARE = 1 / 3
LEVELS = {"err": ERR, "warning": WARNING, "notice": NOTICE, "info": INFO, "debug": DEBUG}


class ImdsSettings(NamedTuple):
    endpoint: str
    request_timeout: float
    deadline: float


class InstanceSettings(NamedTuple):
    require_ec2_hardware: bool
    region: Tuple[str, ...]


class KeysSettings(NamedTuple):
    window: int
    clock_skew: int
    types: FrozenSet[str]
    min_rsa_bits: int

    @property
    def policy(self) -> KeyPolicy:
        """Which keys may log in, pushed or on disk."""
        return KeyPolicy(self.types, self.min_rsa_bits)


class TrustSettings(NamedTuple):
    roots: str
    ca_file: Optional[str]
    require_ocsp: bool


class ServiceSettings(NamedTuple):
    idle_exit: int


class FallbackSettings(NamedTuple):
    keys_file: Optional[str]
    when: str


class ChainSettings(NamedTuple):
    command: Optional[str]


class LogSettings(NamedTuple):
    destination: str
    level: int


class Setting(NamedTuple):
    """One key of the file: `read` turns its text into the value, or raises ValueError saying what it takes."""

    section: str
    key: str
    default: str
    read: Callable[[str], Any]
    help: str


def _number(low: float, high: float, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    noun = "a whole number" if kind is int else "a number"

    def read(text: str) -> Any:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or (kind is int and "." in text):
            raise ValueError(f"it takes {noun} from {low:g} to {high:g}")
        value = kind(text)
        if not low <= value <= high:
            raise ValueError(f"it takes {noun} from {low:g} to {high:g}")
        return value

    return read


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"it takes one of: {', '.join(words)}")
        return text

    return read


def _yes_no(text: str) -> bool:
    answer = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}.get(text.lower())
    if answer is None:
        raise ValueError("it takes yes or no")
    return answer


def _endpoint(text: str) -> str:
    try:
        parts = urlsplit(text)
        plain = parts.scheme == "http" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        plain = False
    if not plain or parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("it takes http://ADDRESS or http://ADDRESS:PORT, an IPv6 address in brackets")
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", parts.netloc):
        raise ValueError("its address has characters that no address has")
    return f"http://{parts.netloc}"


def _key_types(text: str) -> FrozenSet[str]:
    types = text.replace(",", " ").split()
    unknown = [name for name in types if name not in SUPPORTED_TYPES]
    if unknown or not types:
        what = f"{unknown[0]} is not one; " if unknown else ""
        raise ValueError(f"{what}it takes one or more of: {' '.join(SUPPORTED_TYPES)}")
    return frozenset(types)


def _regions(text: str) -> Tuple[str, ...]:
    regions = tuple(dict.fromkeys(text.split()))
    for region in regions:
        if not re.fullmatch(partition.REGION, region):
            raise ValueError(f"{region[:64]} is no region; it takes names such as us-east-1, separated by blanks")
    return regions


def _path(text: str) -> Optional[str]:
    if text and (not text.startswith("/") or "\0" in text):
        raise ValueError("it takes an absolute path")
    return text or None


def _keys_file(text: str) -> Optional[str]:
    path = _path(text)
    if path is not None and "%u" not in path:
        raise ValueError("it takes an absolute path in which %u stands for the user")
    if path is not None and "%" in path.replace("%u", "").replace("%%", ""):
        raise ValueError("it knows %u (the user) and %% (a percent sign) only")
    return path


def _command(text: str) -> Optional[str]:
    if text and keys_command.split(text)[0] == keys_command.FRONT_DOOR:
        raise ValueError("it takes another program than the one that runs it")
    return text or None


def _destination(text: str) -> str:
    if text not in ("journal", "syslog", "stderr") and not (text.startswith("/") and not text.endswith("/")):
        raise ValueError("it takes journal, syslog, stderr or the absolute path of a file")
    return text


def _level(text: str) -> int:
    return LEVELS[_one_of(*LEVELS)(text)]


SETTINGS = (
    Setting("imds", "endpoint", "http://169.254.169.254", _endpoint,
            "The instance metadata service; http://[fd00:ec2::254] on IPv6-only subnets. eic-sshd.service reaches no "
            "other than these two without IPAddressAllow= in a drop-in."),
    Setting("imds", "request_timeout", "1.0", _number(0.05, 10, float),
            "Seconds one request to IMDS may take, from connecting to its last byte."),
    Setting("imds", "deadline", "3.0", _number(0.1, 30, float),
            "Seconds a whole decision may take; where a command is chained, that and the command."),
    Setting("instance", "require_ec2_hardware", "yes", _yes_no,
            "Hand out pushed keys only where the hardware says that it is the EC2 instance that IMDS names (on Xen, "
            "which keeps no instance id: that it is EC2)."),
    Setting("instance", "region", "", _regions,
            "The regions that the instance may run in, separated by blanks; if empty, any. Without it an attacker who "
            "answers in place of IMDS chooses region and domain, and with them which roots `roots = auto` trusts."),
    Setting("keys", "window", "60", _number(1, 3600, int),
            "Seconds a pushed key may be valid after the push."),
    Setting("keys", "clock_skew", "60", _number(0, 3600, int),
            "Seconds by which this instance's clock may be behind, for keys and for staples."),
    Setting("keys", "types", " ".join(SUPPORTED_TYPES), _key_types,
            "The key types that may log in. DSA keys and certificates never may."),
    Setting("keys", "min_rsa_bits", "2048", _number(1024, 16384, int),
            "Bits an RSA key must have at least."),
    Setting("trust", "roots", "auto", _one_of("auto", "system", "amazon"),
            "Which roots the signer may chain to: system, the distribution's bundle; amazon, the Amazon Trust Services "
            "roots in it; auto, amazon where the domain is amazonaws.com and system elsewhere."),
    Setting("trust", "ca_file", "", _path,
            "A PEM file whose certificates are then the only roots."),
    Setting("trust", "require_ocsp", "yes", _yes_no,
            "Refuse a signer without a fresh OCSP staple for each certificate below the root."),
    Setting("service", "idle_exit", "600", _number(0, 86400, int),
            "Seconds without a request after which the resident authorizer ends; systemd starts it again at the next "
            "one. 0 means never."),
    Setting("fallback", "keys_file", "", _keys_file,
            "For sites with `AuthorizedKeysFile none`: a root-owned file of public keys per user, %u being the user. "
            "The user eic-sshd must be able to read it; lines with options are passed over."),
    Setting("fallback", "when", "never", _one_of("never", "unavailable", "no-key"),
            "When its keys are handed out: never; unavailable, when pushed keys can't be had; no-key, whenever no "
            "pushed key can be handed out."),
    Setting("chain", "command", "", _command,
            "An AuthorizedKeysCommand to run after eic-sshd's own answer, with sshd's tokens; its keys are handed out "
            "too. `eic-sshd enable --chain` sets it to the one that sshd_config has."),
    Setting("log", "destination", "journal", _destination,
            "Where the decision records go: journal, syslog, stderr, or an absolute path (JSON lines), which takes "
            "ReadWritePaths= in a drop-in for eic-sshd.service."),
    Setting("log", "level", "info", _level,
            "The least severe record to write: err, warning, notice, info or debug."),
)  # fmt: skip


class Config(NamedTuple):
    """All settings, read. Shapes and units are those of SETTINGS."""

    imds: ImdsSettings
    instance: InstanceSettings
    keys: KeysSettings
    trust: TrustSettings
    service: ServiceSettings
    fallback: FallbackSettings
    chain: ChainSettings
    log: LogSettings

    @property
    def decision_deadline(self) -> float:
        """Seconds that a decision may take: all of the deadline, but for what a chained command is promised of it."""
        return self.imds.deadline * (1 - CHAIN_SHARE if self.chain.command else 1)


_SECTIONS: Any = {
    "imds": ImdsSettings,
    "instance": InstanceSettings,
    "keys": KeysSettings,
    "trust": TrustSettings,
    "service": ServiceSettings,
    "fallback": FallbackSettings,
    "chain": ChainSettings,
    "log": LogSettings,
}


def build(values: Any) -> Config:
    """The Config of `values`, a mapping of section to key to what `Setting.read` gave; what lacks is default."""
    read = {name: {s.key: s.read(s.default) for s in SETTINGS if s.section == name} for name in _SECTIONS}
    for name, section in values.items():
        read[name].update(section)
    return Config(**{name: make(**read[name]) for name, make in _SECTIONS.items()})
