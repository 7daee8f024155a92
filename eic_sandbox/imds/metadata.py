# SPDX-License-Identifier: Apache-2.0
"""The instance's own metadata: identity, region, zone and domain (EC2 User Guide, "Instance metadata categories")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict

from ..faults import Faults


@dataclass(frozen=True)
class InstanceMetadata:
    """What IMDS reports about the instance."""

    instance_id: str = "i-0123456789abcdef0"
    region: str = "us-west-2"
    zone: str = "us-west-2a"
    domain: str = "amazonaws.com"


def values(metadata: InstanceMetadata, faults: Faults) -> Dict[str, str]:
    """The text at each path below /latest/meta-data/, with the faults that are set applied."""
    texts = {
        "instance-id": metadata.instance_id,
        "placement/region": metadata.region,
        "placement/availability-zone": metadata.zone,
        "services/domain": metadata.domain,
    }
    if faults.has("unknown-domain"):
        texts["services/domain"] = "example.com"
    if faults.has("foreign-domain"):
        texts["services/domain"] = "amazonaws.com.cn" if metadata.domain == "amazonaws.com" else "amazonaws.com"
    if faults.has("bad-instance-id"):
        texts["instance-id"] = "../../instance"
    if faults.has("no-region"):
        del texts["placement/region"]
    return texts
