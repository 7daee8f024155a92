# SPDX-License-Identifier: Apache-2.0
"""The Regions of a world file."""

from __future__ import annotations

import re
from typing import Callable, Dict, Optional, Tuple

from ..cloud.instance import Instance
from ..cloud.machine import Machine
from ..cloud.partitions import partition
from ..cloud.region import Region
from ..imds.metadata import InstanceMetadata
from ..pki.authority import Pki
from .document import Value
from .ids import Ids
from .networks import Networks

_NAME = r"(?=.{1,20}$)[a-z]{2,5}(-[a-z]+){1,3}-[0-9]{1,2}"  # the name in a certificate has at most 64 characters
_MAX_REGIONS = 50  # with different names: each has a PKI

Clock = Callable[[], float]
NewPki = Callable[[str, str], Pki]
"""Makes the PKI of a Region, with its name and domain. It takes a while: it makes RSA keys."""


class Regions:
    """Makes what each account has in each Region; the same Region of two accounts has one PKI.

    `window` is the number of seconds for which a pushed key is valid, `delay` that for which an endpoint changes.
    """

    def __init__(self, window: int, delay: float, clock: Clock, new_pki: NewPki) -> None:
        self._window = window
        self._delay = delay
        self._clock = clock
        self._new_pki = new_pki
        self._pkis: Dict[str, Pki] = {}
        self._ids = Ids()

    def region(self, account: str, name: str, value: Value) -> Region:
        """What an account has in a Region. Raises WorldError."""
        fields = value.fields("vpcs", "instances", "endpoints", "serial_console")
        region = Region(account, name, delay=self._delay)
        region.serial_console = fields.read("serial_console", False, Value.flag)
        domain = partition(name).domain
        pki = self._pki(value, name, domain)

        def new_instance(metadata: InstanceMetadata, machine: Machine, listen: Optional[Tuple[str, int]]) -> Instance:
            return Instance(metadata, pki, self._window, self._clock, machine, listen)

        networks = Networks(region, domain, new_instance, self._ids)
        for vpc_id, vpc in fields.entries("vpcs"):
            networks.add_vpc(vpc_id, vpc)
        networks.require_known_groups()
        for instance_id, instance in fields.entries("instances"):
            networks.add_instance(instance_id, instance)
        for endpoint_id, endpoint in fields.entries("endpoints"):
            networks.add_endpoint(endpoint_id, endpoint, self._clock())
        return region

    def _pki(self, value: Value, name: str, domain: str) -> Pki:
        if name not in self._pkis:
            if len(self._pkis) >= _MAX_REGIONS:
                value.fail("too many Regions", f"Use at most {_MAX_REGIONS}.")
            self._pkis[name] = self._new_pki(name, domain)
        return self._pkis[name]


def partition_of(value: Value, names: Tuple[str, ...]) -> str:
    """The partition of an account with these Regions. Raises WorldError."""
    for name in names:
        if not re.fullmatch(_NAME, name):
            problem = f"not the name of a Region ({name[:64]!r})"
            value.fail(problem, "Use a name such as us-west-2.", ("regions", name))
    partitions = {partition(name).name for name in names}
    if len(partitions) > 1:
        value.fail(f"its Regions are in several partitions ({', '.join(sorted(partitions))})", "Use one account each.")
    return partitions.pop() if partitions else "aws"
