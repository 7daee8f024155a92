# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import re

import pytest

from eic_sshd.model import partition
from tests.regions import REGIONS


@pytest.mark.parametrize(("region", "domain"), REGIONS.items())
def test_prefix_of_a_region_determines_its_domain(region: str, domain: str) -> None:
    assert partition.domain_of(region) == domain
    assert re.fullmatch(partition.REGION, region)


@pytest.mark.parametrize(
    "region", ["us-isox-east-1", "us-isobx-east-1", "cnx-north-1", "euscx-de-1", "xcn-north-1", "us-east-1cn-"]
)
def test_region_with_only_part_of_a_prefix_is_commercial(region: str) -> None:
    assert partition.domain_of(region) == "amazonaws.com"


def test_every_region_of_botocore_has_its_partitions_domain() -> None:
    botocore = pytest.importorskip("botocore", reason="botocore is in the environment of the integration tests only")
    with open(os.path.join(os.path.dirname(botocore.__file__), "data", "partitions.json"), "rb") as file:
        partitions = json.load(file)["partitions"]
    seen = 0
    for one in partitions:
        for region in one["regions"]:
            if region.endswith("-global"):
                continue  # no instance runs there
            seen += 1
            assert partition.domain_of(region) == one["outputs"]["dnsSuffix"], region
            assert re.fullmatch(partition.REGION, region), region
    assert seen > 30


@pytest.mark.parametrize(
    ("text", "is_region"),
    [
        ("aa-bb-1", True),
        ("a-bb-1", False),
        ("aaaaaaaa-bb-1", True),
        ("aaaaaaaaa-bb-1", False),
        ("aa-b-1", False),
        (f"aa-{'b' * 16}-1", True),
        (f"aa-{'b' * 17}-1", False),
        ("aa-1", False),
        ("aa-bb-cc-dd-1", True),
        ("aa-bb-cc-dd-ee-1", False),
        ("aa-bb-", False),
        ("aa-bb-12", True),
        ("aa-bb-123", False),
        ("AA-bb-1", False),
    ],
)
def test_region_pattern_accepts_each_bound_and_nothing_beyond(text: str, is_region: bool) -> None:
    assert bool(re.fullmatch(partition.REGION, text)) == is_region
