# SPDX-License-Identifier: Apache-2.0
"""An instance as EC2 and the network see it: state, addresses, security groups, tags."""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Tuple

SSH, RDP = 22, 3389


class State(enum.Enum):
    """The states of an instance, with the codes of the EC2 API."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"

    @property
    def code(self) -> int:
        """The number of the state in the EC2 API."""
        return {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}[
            self.value
        ]


@dataclass
class Machine:
    """What the EC2 API shows of an instance; `state` and `tags` change while the sandbox runs.

    `servers` maps a port of the instance to the address and port where its server listens; a port that is not in it is
    at the instance's own address.
    """

    subnet_id: str
    private_ip: ipaddress.IPv4Address
    state: State = State.RUNNING
    ipv6: Optional[ipaddress.IPv6Address] = None
    public_ip: Optional[ipaddress.IPv4Address] = None
    security_groups: Tuple[str, ...] = ()
    instance_type: str = "t3.micro"
    tags: Dict[str, str] = field(default_factory=dict)
    servers: Mapping[int, Tuple[str, int]] = field(default_factory=dict)

    def has_address(self, text: str) -> bool:
        """Whether `text` is one of the instance's private addresses."""
        try:
            return ipaddress.ip_address(text) in (self.private_ip, self.ipv6)
        except ValueError:
            return False

    def server(self, address: str, port: int) -> Tuple[str, int]:
        """The address and port where the server at this port of the instance listens."""
        return self.servers.get(port, (address, port))


SUBNET_ID = "subnet-0123456789abcdef0"


def default_machine() -> Machine:
    """The machine of the one instance of a sandbox without a world file: its sshd is this machine's own."""
    return Machine(
        SUBNET_ID,
        ipaddress.IPv4Address("10.0.0.10"),
        security_groups=("sg-0123456789abcdef0",),
        servers={SSH: ("127.0.0.1", SSH), RDP: ("127.0.0.1", RDP)},
    )
