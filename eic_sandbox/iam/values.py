# SPDX-License-Identifier: Apache-2.0
"""Values of the typed condition operators. IAM User Guide, "IAM JSON policy elements: Condition operators".

Each function raises MalformedValue.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from datetime import datetime
from decimal import Decimal
from typing import Tuple, Union

from .patterns import ascii_lower

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_EPOCH = re.compile(r"[0-9]{1,3}|[0-9]{5,12}")
_DATE = re.compile(
    r"(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2})"
    r"(T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})(\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(Z|(?P<sign>[+-])(?P<offset_hours>[01][0-9]|2[0-3]):(?P<offset_minutes>[0-5][0-9])))?)?)?"
)
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_NETWORK = re.compile(r"[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?")


class MalformedValue(ValueError):
    """The text is not a value of the operator's type."""


def number(text: str) -> Decimal:
    """An integer or a decimal number, without an exponent; at most 30 digits on each side of the point."""
    if not _NUMBER.fullmatch(text):
        raise MalformedValue("not a number")
    return Decimal(text)


def seconds(text: str) -> Decimal:
    """Seconds since the epoch of a date: a profile of ISO 8601 (W3C NOTE-datetime), or the seconds themselves.

    Four digits are a year. A time of day needs its zone, as in W3C's profile.
    """
    if _EPOCH.fullmatch(text):
        return Decimal(text)
    found = _DATE.fullmatch(text)
    if found is None:
        raise MalformedValue("not a date")
    parts = found.groupdict(default="0")
    try:
        moment = datetime(
            int(parts["year"]),
            int(found["month"] or 1),
            int(found["day"] or 1),
            int(parts["hour"]),
            int(parts["minute"]),
            int(parts["second"]),
        )
    except ValueError:
        raise MalformedValue("not a date of the calendar") from None
    since = moment - datetime(1970, 1, 1)
    offset = int(parts["offset_hours"]) * 3600 + int(parts["offset_minutes"]) * 60
    utc = since.days * 86400 + since.seconds + (offset if parts["sign"] == "-" else -offset)
    return utc + Decimal(f"0.{parts['fraction']}")


def boolean(text: str) -> bool:
    """`true` or `false`, in any case."""
    folded = ascii_lower(text)
    if folded not in ("true", "false"):
        raise MalformedValue("neither true nor false")
    return folded == "true"


def binary(text: str) -> bytes:
    """The bytes that are base64 in `text`."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedValue("not base64") from None


def network(text: str) -> Network:
    """A range in CIDR format, or a single address. Bits after the prefix do not count."""
    if not _NETWORK.fullmatch(text):
        raise MalformedValue("not an IP address or range")
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise MalformedValue("not an IP address or range") from None


def addresses(text: str) -> Tuple[Address, ...]:
    """The address in `text`; an IPv4 address that is mapped into IPv6 (::ffff:192.0.2.1) is both."""
    if not _ADDRESS.fullmatch(text):
        raise MalformedValue("not an IP address")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise MalformedValue("not an IP address") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (address,) if mapped is None else (address, mapped)


def within(seen: Tuple[Address, ...], allowed: Network) -> bool:
    """Whether the address is in the range; one of the other IP version is not."""
    return any(address in allowed for address in seen)
