# SPDX-License-Identifier: Apache-2.0
"""Whether systemd runs the daemon, now and after a boot."""

from __future__ import annotations

import ipaddress
from typing import Iterator, Sequence

from ..host import systemd
from ..paths import SERVICE_UNIT, SOCKET_UNIT
from .finding import Finding, error

_DROP_INS = f"/etc/systemd/system/{SERVICE_UNIT}.d"


def problems(root: str, imds: str) -> Iterator[Finding]:
    """Why the daemon does not answer logins on the machine at `root`, or cannot reach `imds`, an address.

    Raises RunError.
    """
    if not systemd.has_unit(SOCKET_UNIT, root):
        return
    yield from _socket_problems(root)
    if not systemd.is_running(root):
        return
    if systemd.is_state("failed", SERVICE_UNIT):
        yield error(
            "service-failed",
            SERVICE_UNIT,
            "the unit has failed, so each login is slower",
            f"`journalctl -u {SERVICE_UNIT}` shows the cause",
        )
    shown = systemd.show(SERVICE_UNIT, "IPAddressAllow", "IPAddressDeny")
    if shown.get("IPAddressDeny") and not _is_within(imds, shown.get("IPAddressAllow", "").split()):
        yield error(
            "imds-address-denied",
            SERVICE_UNIT,
            f"the unit may not reach [imds] endpoint, so no pushed key logs in ({imds} is not in IPAddressAllow)",
            _allow(imds),
        )


def _allow(imds: str) -> str:
    """How to let the service reach `imds`, which may be a host name."""
    add = f"add IPAddressAllow={imds} under [Service]"
    try:
        ipaddress.ip_address(imds)
    except ValueError:
        return f"Use an address in [imds] endpoint, and {add} with `systemctl edit {SERVICE_UNIT}`"
    text = f"printf '[Service]\\nIPAddressAllow={imds}\\n' >{_DROP_INS}/60-imds.conf"
    return f"Run `mkdir -p {_DROP_INS} && {text} && systemctl daemon-reload && systemctl stop {SERVICE_UNIT}` to {add}"


def _socket_problems(root: str) -> Iterator[Finding]:
    """Why systemd does not listen, now or after a boot; each remedy also holds after the next boot."""
    states = {unit: systemd.enablement(unit) for unit in (SOCKET_UNIT, SERVICE_UNIT)}
    for unit in [unit for unit, state in states.items() if state.startswith("masked")]:
        unmask = "unmask --runtime" if states[unit] == "masked-runtime" else "unmask"
        remedy = f"Run `systemctl {unmask} {unit} && systemctl enable --now {SOCKET_UNIT}`"
        yield error("unit-masked", unit, "the unit is masked, so each login is slower", remedy)
    if states[SOCKET_UNIT].startswith("masked"):
        return
    restart = f"Run `systemctl restart {SOCKET_UNIT}`"
    if states[SOCKET_UNIT] in ("disabled", "enabled-runtime"):
        yield error(
            "socket-unit-disabled",
            SOCKET_UNIT,
            "the unit is disabled, so each login is slower after a boot",
            f"Run `systemctl enable --now {SOCKET_UNIT}`",
        )
    elif systemd.is_running(root) and systemd.is_state("failed", SOCKET_UNIT):
        yield error("socket-unit-failed", SOCKET_UNIT, "the unit has failed, so each login is slower", restart)
    elif systemd.is_running(root) and not systemd.is_state("active", SOCKET_UNIT):
        yield error("socket-unit-inactive", SOCKET_UNIT, "the unit is not listening, so each login is slower", restart)


def is_listening(root: str) -> bool:
    """Whether systemd reports that it listens at the daemon's socket. Raises RunError."""
    return systemd.has_unit(SOCKET_UNIT, root) and systemd.is_running(root) and systemd.is_state("active", SOCKET_UNIT)


def _is_within(address: str, networks: Sequence[str]) -> bool:
    try:
        return any(ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False  # a host name: IPAddressDeny= blocks name servers too
