# SPDX-License-Identifier: Apache-2.0
"""A region of each partition of AWS, with the domain of its services."""

from __future__ import annotations

REGIONS = {
    "us-east-1": "amazonaws.com",
    "us-gov-west-1": "amazonaws.com",
    "cn-north-1": "amazonaws.com.cn",
    "eusc-de-east-1": "amazonaws.eu",
    "us-iso-east-1": "c2s.ic.gov",
    "us-isob-east-1": "sc2s.sgov.gov",
    "us-isof-south-1": "csp.hci.ic.gov",
    "eu-isoe-west-1": "cloud.adc-e.uk",
    "xx-invented-9": "amazonaws.com",  # a region that is opened later is one of the commercial partition
}
