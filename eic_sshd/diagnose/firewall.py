# SPDX-License-Identifier: Apache-2.0
"""Rules of the firewall that deny the requests of one user (iptables-extensions(8), owner)."""

from __future__ import annotations

import re

from ..host.errors import MachineError
from ..host.run import is_installed, run

_PLAIN = re.compile(r"[A-Za-z0-9 ._:/!-]+")


def removal(uid: int, is_ipv6: bool) -> str:
    """The command that removes the first rule that denies `uid`; empty if none is known."""
    program = "ip6tables" if is_ipv6 else "iptables"
    if not is_installed(program):
        return ""
    try:
        return removal_of(run(program, "-S", "OUTPUT").stdout, uid, program)
    except MachineError:
        return ""


def removal_of(rules: str, uid: int, program: str = "iptables") -> str:
    """As `removal`; `rules` is what `PROGRAM -S OUTPUT` prints."""
    for rule in rules.splitlines():
        denies = re.search(r" -j (DROP|REJECT)( |$)", rule) and re.search(rf" --uid-owner {uid}( |$)", rule)
        if denies and rule.startswith("-A ") and " ! --uid-owner" not in rule and _PLAIN.fullmatch(rule):
            return f"{program} -D {rule[3:]}"
    return ""
