# SPDX-License-Identifier: Apache-2.0
"""AWS's partitions: groups of Regions, each with a name for ARNs and a domain for host names.

Source: AWS General Reference, "Amazon Resource Names (ARNs)"; botocore's endpoint data.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Partition:
    """`name` is the second field of ARNs, `domain` ends the names of hosts."""

    name: str
    domain: str


_AWS = Partition("aws", "amazonaws.com")
_BY_PREFIX = {
    "cn-": Partition("aws-cn", "amazonaws.com.cn"),
    "us-gov-": Partition("aws-us-gov", "amazonaws.com"),
    "eusc-": Partition("aws-eusc", "amazonaws.eu"),
    "us-iso-": Partition("aws-iso", "c2s.ic.gov"),
    "us-isob-": Partition("aws-iso-b", "sc2s.sgov.gov"),
    "us-isof-": Partition("aws-iso-f", "csp.hci.ic.gov"),
    "eu-isoe-": Partition("aws-iso-e", "cloud.adc-e.uk"),
}


def partition(region: str) -> Partition:
    """The partition of a Region."""
    return next((found for prefix, found in _BY_PREFIX.items() if region.startswith(prefix)), _AWS)
