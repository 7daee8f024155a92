# SPDX-License-Identifier: Apache-2.0
"""Everything that the sandbox stands in for: who calls, what there is, and the signers of pushed keys."""

from __future__ import annotations

from typing import Dict, Iterator, List, Optional, Tuple

from ..pki.authority import Pki
from .directory import Directory
from .endpoint import Endpoint
from .instance import Instance
from .region import Region


class Cloud:
    """Its instances are in the order in which they were added. `other_ports` lets tunnels go to any port."""

    def __init__(self, directory: Directory, other_ports: bool = False) -> None:
        self.directory = directory
        self.other_ports = other_ports
        self._regions: Dict[Tuple[str, str], Region] = {}

    def add(self, region: Region) -> None:
        """Add what an account has in a Region."""
        self._regions[region.account, region.name] = region

    def region(self, account: str, name: str) -> Region:
        """What an account has in a Region: nothing, if the world does not describe it."""
        return self._regions.get((account, name)) or Region(account, name)

    def regions(self) -> List[Region]:
        """What each account has in each Region."""
        return list(self._regions.values())

    @property
    def region_names(self) -> Tuple[str, ...]:
        """The names of the Regions, the first one first."""
        return tuple(dict.fromkeys(region.name for region in self.regions()))

    def instances(self) -> Iterator[Instance]:
        """All instances."""
        for region in self.regions():
            yield from region.instances.values()

    def pkis(self) -> List[Pki]:
        """The PKI of each Region that has instances."""
        return list({id(instance.pki): instance.pki for instance in self.instances()}.values())

    def locate(self, instance_id: str) -> Optional[Tuple[Region, Instance]]:
        """An instance and where it is; None if there is none with this id."""
        for region in self.regions():
            if instance_id in region.instances:
                return region, region.instances[instance_id]
        return None

    def endpoint_by_host(self, host: str) -> Optional[Tuple[Region, Endpoint]]:
        """The endpoint with this host name, in any case; None if there is none."""
        name = host.lower().rstrip(".")
        for region in self.regions():
            for endpoint in region.endpoints.values():
                if name in (endpoint.dns_name, endpoint.fips_dns_name):
                    return region, endpoint
        return None
