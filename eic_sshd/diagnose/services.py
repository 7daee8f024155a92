# SPDX-License-Identifier: Apache-2.0
"""Whether the daemon's units answer logins, now and after a boot."""

from __future__ import annotations

import ipaddress
from typing import Iterator, Sequence

from ..host import systemd
from ..paths import SERVICE_UNIT, SOCKET_UNIT


def problems(root: str, imds: str) -> Iterator[str]:
    """What keeps logins from being answered by the authorizer, a sentence each; `imds` is its IMDS's address."""
    if not systemd.has_unit(SOCKET_UNIT, root):
        return
    yield from _socket_problems(root)
    if not systemd.is_running(root):
        return
    if systemd.is_state("failed", SERVICE_UNIT):
        yield f"{SERVICE_UNIT} has failed, so each login is slower: `journalctl -u {SERVICE_UNIT}` says why"
    shown = systemd.show(SERVICE_UNIT, "IPAddressAllow", "IPAddressDeny")
    if shown.get("IPAddressDeny") and not _is_within(imds, shown.get("IPAddressAllow", "").split()):
        yield (
            f"{SERVICE_UNIT} may not reach [imds] endpoint, so no pushed key logs in: `systemctl edit {SERVICE_UNIT}`, "
            f"and give it IPAddressAllow={imds} under [Service]"
        )


def _socket_problems(root: str) -> Iterator[str]:
    """What keeps it from listening now or after a boot; a command that lasts beyond the next boot with each."""
    states = {unit: systemd.enablement(unit) for unit in (SOCKET_UNIT, SERVICE_UNIT)}
    for unit in [unit for unit, state in states.items() if state.startswith("masked")]:
        unmask = "unmask --runtime" if states[unit] == "masked-runtime" else "unmask"
        remedy = f"systemctl {unmask} {unit} && systemctl enable --now {SOCKET_UNIT}"
        yield f"{unit} is masked, so each login is slower: `{remedy}`"
    if states[SOCKET_UNIT].startswith("masked"):
        return
    if states[SOCKET_UNIT] in ("disabled", "enabled-runtime"):
        yield f"{SOCKET_UNIT} is disabled, so each login is slower after a boot: `systemctl enable --now {SOCKET_UNIT}`"
    elif systemd.is_running(root) and systemd.is_state("failed", SOCKET_UNIT):
        yield f"{SOCKET_UNIT} has failed, so each login is slower: `systemctl restart {SOCKET_UNIT}`"
    elif systemd.is_running(root) and not systemd.is_state("active", SOCKET_UNIT):
        yield f"{SOCKET_UNIT} does not listen, so each login is slower: `systemctl restart {SOCKET_UNIT}`"


def is_listening(root: str) -> bool:
    """Whether systemd listens at our socket."""
    return systemd.has_unit(SOCKET_UNIT, root) and systemd.is_running(root) and systemd.is_state("active", SOCKET_UNIT)


def _is_within(address: str, networks: Sequence[str]) -> bool:
    try:
        return any(ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False  # a name: whatever it stands for, the service may ask no name server
