# SPDX-License-Identifier: Apache-2.0
"""Whether this machine is an EC2 instance, and which one, as the hypervisor reports it: no network is involved.

On Nitro the DMI board asset tag is the instance id; on Xen the hypervisor's uuid begins with `ec2` (EC2 User Guide,
"Detect whether a host is an EC2 instance").
"""

from __future__ import annotations

import os
from typing import Dict, Mapping, Optional, Union

from ..model.reasons import NotGranted, Reason

_TAG = "sys/devices/virtual/dmi/id/board_asset_tag"
_UUID = "sys/hypervisor/uuid"
_LIMIT = 256


class Ec2Hardware:
    """The hardware as sysfs shows it below `root`; both checks raise NotGranted with Reason.NOT_EC2."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def require_ec2(self) -> None:
        """Raise NotGranted if the machine is not an EC2 instance."""
        if not self._is_xen() and not self._tag().startswith("i-"):
            raise NotGranted(Reason.NOT_EC2, "neither the board asset tag nor the hypervisor uuid is EC2's")

    def require_instance(self, instance_id: str) -> None:
        """Raise NotGranted if the machine is not the EC2 instance `instance_id`; Xen has no id to compare."""
        tag = self._tag()
        if tag != instance_id and (tag.startswith("i-") or not self._is_xen()):
            raise NotGranted(
                Reason.NOT_EC2, f"IMDS reports instance {instance_id}, but the board asset tag is {tag[:64]!r}"
            )

    def instance_id(self) -> Optional[str]:
        """The instance; None if it is unknown: on Xen, or if this is none."""
        tag = self._tag()
        return tag if tag.startswith("i-") else None

    def facts(self) -> Dict[str, str]:
        """What the checks read: the text of each file that there is, by its path below the root."""
        found = {path: self._read(path) for path in (_TAG, _UUID)}
        return {path: text for path, text in found.items() if text is not None}

    def _is_xen(self) -> bool:
        return (self._read(_UUID) or "").lower().startswith("ec2")

    def _tag(self) -> str:
        return self._read(_TAG) or ""

    def _read(self, path: str) -> Optional[str]:
        try:
            with open(os.path.join(self._root, path), "rb") as file:
                return file.read(_LIMIT).decode("ascii", "replace").strip()
        except OSError:
            return None  # the other kind of EC2 hardware, or another machine


class SavedHardware(Ec2Hardware):
    """The hardware of another machine or another time, by the `facts` that were saved of it."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        super().__init__()
        self._facts = facts

    def _read(self, path: str) -> Optional[str]:
        text = self._facts.get(path)
        return None if text is None else text[:_LIMIT]


class AnyHardware:
    """`[instance] require_ec2_hardware = no`: every machine is accepted as the instance that IMDS names."""

    def facts(self) -> Dict[str, str]:
        """Nothing is read."""
        return {}

    def require_ec2(self) -> None:
        """Accept any machine."""

    def require_instance(self, instance_id: str) -> None:
        """Accept any instance id."""


Hardware = Union[Ec2Hardware, AnyHardware]
