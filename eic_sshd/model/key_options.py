# SPDX-License-Identifier: Apache-2.0
"""The options before a key in authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT).

sshd ignores a line with an unknown option, with a bad value or with a blank after a comma, and logs no reason. So the
text is checked here when the configuration is read, and more strictly than by sshd: an option that no client can meet,
or that another one cancels, is an error too. The syntax is the same from OpenSSH 8.7 to 10 (auth-options.c); the Z
of expiry-time needs 9.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Union

from .caller_pattern import wildcard_matches
from .value import Value

if TYPE_CHECKING:
    import ipaddress

    _Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# sshd reads no longer line than 16 KiB; a key may take 11 KiB of it.
_MAX_LENGTH = 4096
_OPTION = r'(?P<name>[A-Za-z0-9-]+)(?:="(?P<value>(?:[^"\\]|\\"|\\(?!"))*)")?'
# Those that `restrict` denies, and that may be given back after it.
_GRANTS = ("agent-forwarding", "port-forwarding", "x11-forwarding", "pty", "user-rc")
_FLAGS = frozenset((*_GRANTS, "touch-required", "verify-required"))
_REPEATABLE = ("environment", "permitopen", "permitlisten")
_HOST_PATTERN = r"[A-Za-z0-9.*?:_-]+"
_FORWARD_HOST = r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.*_-]{1,255})"
_FIRST_YEAR = 1971  # sshd ignores a line whose time is not after the epoch, wherever the machine is


class _Option(Value):
    """One option as it is written; `feature` is its name in lower case, without `no-`."""

    text: str
    feature: str
    denies: bool
    value: Optional[str]


def parse(text: str) -> str:
    """`text`, as sshd accepts it before a key; empty for none.

    Raises:
        ValueError: if sshd would ignore the line, or refuse every login by it; says what to write.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"Use {_MAX_LENGTH} characters at most")
    seen: Dict[str, _Option] = {}
    for option in _split(text) if text else []:
        _check(option)
        if option.feature in seen and option.feature not in _REPEATABLE:
            raise ValueError(f"Set {option.feature} once")
        granted = [one.text for one in seen.values() if one.feature in _GRANTS and not one.denies]
        if option.feature == "restrict" and granted:
            raise ValueError(f"Put restrict before {granted[0]}: after it, it denies that again")
        seen[option.feature] = option
    return text


def expiry_time(text: str) -> Optional[str]:
    """The value of expiry-time in options that `parse` accepts; None if it is not among them."""
    return next((one.value for one in (_split(text) if text else []) if one.feature == "expiry-time"), None)


def _split(text: str) -> List[_Option]:
    options: List[_Option] = []
    at = 0
    while True:
        found = re.compile(_OPTION).match(text, at)
        if found is None:
            raise ValueError(_explain(text[at:]))
        name = found.group("name").lower()
        value = found.group("value")
        denies = name.startswith("no-") and name[3:] in _FLAGS
        feature = name[3:] if denies else name
        options.append(_Option(found.group(), feature, denies, None if value is None else value.replace('\\"', '"')))
        at = found.end()
        if at == len(text):
            return options
        if text[at] != ",":
            raise ValueError(_explain(text[at:]))
        at += 1


def _explain(rest: str) -> str:
    """What is wrong where an option, or the comma after one, is expected."""
    if rest[:1].isspace():
        return "Separate options by a comma, without blanks"
    if rest.startswith("="):
        return 'Put the value between double quotes, with \\" for a quote in it'
    return f"Use options of authorized_keys, in place of {rest[:64]}" if rest else "Remove the comma at the end"


def _check(option: _Option) -> None:
    if option.feature in ("cert-authority", "principals"):
        raise ValueError(f"Remove {option.feature}: pushed keys are not certificates, so no key would log in")
    check = _VALUES.get(option.feature)
    if check is None and option.feature != "restrict" and option.feature not in _FLAGS:
        raise ValueError(f"Use options of sshd(8), in place of {option.text[:64]}")
    if check is None:
        if option.value is not None:
            raise ValueError(f"Give {option.feature} no value")
        return
    if option.value is None:
        raise ValueError(f"Give {option.feature} a value")
    check(option.value)


def _command(value: str) -> None:
    if not value.strip():
        raise ValueError("Name a program in command")


def _environment(value: str) -> None:
    if not re.match(r"[A-Za-z0-9_]+=", value):
        raise ValueError("Use NAME=VALUE in environment")


def _expiry_time(value: str) -> None:
    import datetime  # late: it is slow to load

    match = re.fullmatch(r"([0-9]{8}|[0-9]{12}|[0-9]{14})Z?", value)
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
    try:
        if match is None:
            raise ValueError
        time = datetime.datetime.strptime(match.group(1), form[len(match.group(1))])
        if time.year < _FIRST_YEAR:
            raise ValueError
    except ValueError:
        raise ValueError("Use YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS in expiry-time, with Z for UTC") from None


def _from(value: str) -> None:
    patterns = value.split(",")
    denied = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    allowed = [pattern for pattern in patterns if not pattern.startswith("!")]
    for pattern in (*denied, *allowed):
        _from_pattern(pattern)
    if not allowed:
        raise ValueError("Name an address that may log in, too: from has only ones that may not")
    networks = [(one, _network(one)) for one in allowed]
    for pattern in denied:
        network = _network(pattern)
        hidden = next((one for one, within in networks if _has(pattern, network, one, within)), None)
        if hidden is not None:
            raise ValueError(f"Remove {hidden} or !{pattern} in from: the first is within the second")


def _from_pattern(pattern: str) -> None:
    """sshd takes what is no address or network in its own form for a pattern of names, which matches no address."""
    if re.fullmatch(r"[0-9A-Fa-f:.]+/[0-9]{1,3}|[0-9.]+|[^*?/]*:[^*?/]*", pattern):
        network = _network(pattern) if re.fullmatch(r"[0-9A-Fa-f:./]+", pattern) else None
    elif "/" not in pattern and re.fullmatch(_HOST_PATTERN, pattern):
        return  # a name, or a pattern with wildcards
    else:
        network = None
    if network is None:
        form = "ADDRESS/BITS of a network" if "/" in pattern else "addresses, networks and host names"
        raise ValueError(f"Use {form} in from, in place of {pattern[:64] or 'nothing'}")
    if network.version == 6 and network.network_address.ipv4_mapped is not None:
        raise ValueError(f"Use the IPv4 address in from, in place of {pattern[:64]}")


def _has(outer: str, other: Optional[_Network], inner: str, one: Optional[_Network]) -> bool:
    """Whether each client that `inner` matches is one that `outer` matches, as far as that can be seen.

    `one` and `other` are their networks, where they are such.
    """
    if one is not None and other is not None:
        return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]
    if not outer.strip("*"):
        return True
    return not re.search("[*?/]", inner) and wildcard_matches(outer.lower(), inner.lower(), least=0)


def _network(text: str) -> Optional[_Network]:
    """The network of an address or of ADDRESS/BITS; None if `text` is neither."""
    import ipaddress  # late: it is slow to load

    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _permit_open(value: str) -> None:
    match = re.fullmatch(rf"{_FORWARD_HOST}:(?P<port>[^:]*)", value)
    if match is None or not _is_port(match.group("port")):
        raise ValueError(f"Use HOST:PORT in permitopen, with an IPv6 address in brackets, in place of {value[:64]}")


def _permit_listen(value: str) -> None:
    match = re.fullmatch(rf"(?:{_FORWARD_HOST}:)?(?P<port>[^:]*)", value)
    if match is None or not _is_port(match.group("port")):
        raise ValueError(f"Use PORT or HOST:PORT in permitlisten, in place of {value[:64]}")


def _is_port(text: str) -> bool:
    return text == "*" or bool(re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) < 65536)


def _tunnel(value: str) -> None:
    if not re.fullmatch(r"any|[0-9]{1,9}", value):
        raise ValueError("Use the number of a device in tunnel, or any")


_VALUES: Dict[str, Callable[[str], None]] = {
    "command": _command,
    "environment": _environment,
    "expiry-time": _expiry_time,
    "from": _from,
    "permitopen": _permit_open,
    "permitlisten": _permit_listen,
    "tunnel": _tunnel,
}
