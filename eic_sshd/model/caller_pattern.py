# SPDX-License-Identifier: Apache-2.0
"""Callers, the ARNs of those who push keys, and patterns of them in [policy] sections.

    arn:PARTITION:SERVICE:REGION:ACCOUNT:TYPE/SEGMENT/SEGMENT    (IAM User Guide, "IAM identifiers")

An ARN is split at its first five colons and its resource at each slash. A pattern is split in the same way, and is
compared segment by segment: no wildcard and no variable crosses a segment. Only what the administrator wrote is ever a
pattern; the caller's text and the user's name are not.
"""

from __future__ import annotations

import re
from typing import List, Tuple

from .value import Value

OS_USER = "${os_user}"
# The types of resources of each service that call EC2 Instance Connect, and how many segments may follow them.
_RESOURCES = {
    ("iam", "user"): (1, 64),
    ("iam", "role"): (1, 64),
    ("iam", "root"): (0, 0),
    ("sts", "assumed-role"): (2, 2),
    ("sts", "federated-user"): (1, 1),
}
_FORMS = "iam: user/..., role/..., root; sts: assumed-role/ROLE/SESSION, federated-user/NAME"
# An ARN is shorter: the path of an IAM user has 512 characters at most, its name 64.
_MAX_LENGTH = 2048
_SSO_ROLE = "AWSReservedSSO_"


class MalformedCaller(ValueError):
    """The text is no ARN of a caller."""


class Caller(Value):
    """A caller, by its parts; `segments` are those of the resource, the type first."""

    partition: str
    service: str
    account: str
    segments: Tuple[str, ...]


def parse_caller(text: str) -> Caller:
    """The caller that `text` names. Raises MalformedCaller."""
    if len(text) > _MAX_LENGTH or not re.fullmatch(r"[!-~]*", text):
        raise MalformedCaller(f"the caller is not an ARN of visible ASCII characters ({text[:100]!r})")
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[3] or not all((parts[1], parts[2])):
        raise MalformedCaller(f"the caller is not arn:PARTITION:SERVICE::ACCOUNT:RESOURCE ({text[:100]!r})")
    segments = tuple(parts[5].split("/"))
    if not re.fullmatch(r"[0-9]{12}", parts[4]) or not all(segments):
        raise MalformedCaller(f"the caller has no account of 12 digits, or an empty segment ({text[:100]!r})")
    return Caller(parts[1], parts[2], parts[4], segments)


class CallerPattern(Value):
    """A pattern of callers, by its parts. `text` is what the administrator wrote."""

    text: str
    partition: str
    service: str
    account: str
    segments: Tuple[str, ...]

    def __str__(self) -> str:
        """What the administrator wrote."""
        return self.text

    @property
    def has_os_user(self) -> bool:
        """Whether it depends on the OS user."""
        return any(OS_USER in segment for segment in self.segments)

    def matches(self, caller: Caller, os_user: str) -> bool:
        """Whether the pattern means `caller`, who is to log in as `os_user`."""
        return (
            caller.service == self.service
            and len(caller.segments) == len(self.segments)
            and caller.segments[0] == self.segments[0]
            and wildcard_matches(self.partition, caller.partition)
            and wildcard_matches(self.account, caller.account)
            and all(
                _segment_matches(pattern, segment, os_user)
                for pattern, segment in zip(self.segments[1:], caller.segments[1:])
            )
        )


def parse(text: str) -> CallerPattern:
    """The pattern that `text` means. Raises ValueError with a sentence that says what to write."""
    if len(text) > _MAX_LENGTH or not re.fullmatch(r"[!-~]*", text):
        raise ValueError("Use visible ASCII characters")
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[3]:
        raise ValueError("Use arn:PARTITION:SERVICE::ACCOUNT:RESOURCE")
    _, partition, service, _, account, resource = parts
    segments = tuple(resource.split("/"))
    count = _RESOURCES.get((service, segments[0]))
    if count is None:
        raise ValueError(f"Use one of these services and resources, without wildcards in their names ({_FORMS})")
    if not re.fullmatch(r"[a-z0-9*?-]+", partition):
        raise ValueError("Use a partition such as aws, aws-cn or *")
    if not re.fullmatch(r"[0-9*?]{1,12}", account):
        raise ValueError("Use an account of 12 digits")
    if "*" not in account and len(account) != 12:
        raise ValueError("Use an account of 12 digits")
    if not count[0] <= len(segments) - 1 <= count[1] or not all(segments):
        raise ValueError(f"Use the resource with all of its segments, none of them empty ({_FORMS})")
    for segment in segments:
        _check_segment(segment)
    return CallerPattern(text, partition, service, account, segments)


def _check_segment(segment: str) -> None:
    rest = segment.replace(OS_USER, "")
    if "${" in rest:
        raise ValueError(f"Use no other variable than {OS_USER}")
    if OS_USER in segment and ("*" in rest or "?" in rest):
        raise ValueError(f"Use {OS_USER} and wildcards in different segments")


def _segment_matches(pattern: str, segment: str, os_user: str) -> bool:
    if OS_USER in pattern:
        return segment == pattern.replace(OS_USER, os_user)
    return wildcard_matches(pattern, segment)


def wildcard_matches(pattern: str, text: str, least: int = 1) -> bool:
    """Whether `pattern` means all of `text`: `*` is `least` characters or more, `?` one, any other character itself."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == text
    ends = {0}  # how much of `text` the pattern so far may mean
    for character in pattern:
        if character == "*":
            ends = set(range(min(ends) + least, len(text) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(text) and character in ("?", text[end])}
        if not ends:
            return False
    return len(text) in ends


_ROLE_WILDCARD = "The role is a wildcard, so a principal that may create roles can create one that matches"


def traps(pattern: CallerPattern) -> List[str]:
    """What the pattern may allow that its author did not mean, a sentence without its full stop for each."""
    found = []
    kind, names = pattern.segments[0], pattern.segments[1:]
    if "*" in pattern.account or "?" in pattern.account:
        found.append("The account is a wildcard, so the owner of any such AWS account can create a caller that matches")
    if kind == "assumed-role":
        found += _role_traps(*names)
    if kind == "role" and any("*" in name or "?" in name for name in names):
        found.append(_ROLE_WILDCARD)
    if kind == "federated-user":
        found.append("The caller of sts:GetFederationToken chooses the name of a federated user")
    if any(OS_USER in name and name.replace(OS_USER, "") != name.replace(OS_USER, "").lower() for name in names):
        found.append(f"There is upper case beside {OS_USER}: names are compared as the provider writes them")
    return found


def _role_traps(role: str, session: str) -> List[str]:
    found = []
    is_sso = role.startswith(_SSO_ROLE)
    if is_sso and not re.fullmatch(r".+_([?]{16}|[0-9a-f]{16})", role[len(_SSO_ROLE) :]):
        found.append(
            f"The name of an SSO role ends in _ and 16 hexadecimal digits: write {_SSO_ROLE}SET_????????????????"
        )
    elif "*" in role or ("?" in role and not is_sso):
        found.append(_ROLE_WILDCARD)
    if not is_sso and session != "*":
        found.append(
            "A caller that may assume the role chooses the session name, unless the role's trust policy sets "
            "sts:RoleSessionName"
        )
    return found
