# SPDX-License-Identifier: Apache-2.0
"""AWS partitions: the shape of a region's name, and the domain that a region's services are under.

The partition is a matter of the region's prefix (botocore's endpoints.json, `regionRegex` and `dnsSuffix`; the
European Sovereign Cloud's User Guide for eusc-).
"""

from __future__ import annotations

REGION = r"[a-z]{2,8}(-[a-z]{2,16}){1,3}-[0-9]{1,2}"
"""Regular expression: a region, such as us-west-2, us-gov-east-1 or eusc-de-east-1."""

_COMMERCIAL = "amazonaws.com"  # aws and aws-us-gov, and every region that has no prefix of its own
_BY_PREFIX = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}


def domain_of(region: str) -> str:
    """The domain of the partition that `region` is in, as `services/domain` gives it."""
    return next((domain for prefix, domain in _BY_PREFIX.items() if region.startswith(prefix)), _COMMERCIAL)
