# SPDX-License-Identifier: Apache-2.0
"""metadata/ and users/: metadata of the instance in IMDS, and the names of OS users. They need no files."""

from __future__ import annotations

from tests.regions import REGIONS

from .folder import Folder
from .pki import DOMAIN, INSTANCE, REGION

# The other cases are in a commercial region.
_DOMAINS = {region: domain for region, domain in REGIONS.items() if region not in ("us-east-1", "xx-invented-9")}
_NAME, _LONGEST = "An OS user's name as EC2 Instance Connect carries it: 1 to 32 characters.", 32


def make(folder: Folder) -> None:
    """The cases of metadata/."""
    for region, domain in _DOMAINS.items():
        folder.case(f"domain-of-{region}", "The domain is the region's, and the signer is another region's.",
                    region=region, domain=domain, reason="signer-name-mismatch")  # fmt: skip
        wrong = "amazonaws.com.cn" if domain == DOMAIN else DOMAIN
        folder.case(f"other-domain-in-{region}", "The domain is the region's.", region=region, domain=wrong,
                    reason="domain-unknown")  # fmt: skip
    for name, domain in (
        ("a-domain-of-no-partition", "example.com"),
        ("a-domain-with-more-behind", f"{DOMAIN}.example.com"),
        ("a-domain-in-capitals", DOMAIN.upper()),
        ("an-empty-domain", ""),
    ):
        folder.case(name, "The domain is the region's.", domain=domain, reason="domain-unknown")
    listed = "[instance] region lists the regions that the site allows."
    for name, regions, reason in (
        ("the-region-is-listed", f"eu-west-1 {REGION}", "granted"),
        ("the-region-is-not-listed", "eu-west-1", "region-mismatch"),
        ("a-region-with-more-behind-is-listed", f"{REGION}0", "region-mismatch"),
    ):
        folder.case(name, listed, settings={"instance": {"region": regions}}, reason=reason)
    for zone in ("us-west-2a", "us-west-2-lax-1a", "us-west-2-wl1-las-wlz-1"):
        folder.case(f"region-of-the-zone-{zone}", "Without placement/region, the region is the zone's.", region=None,
                    zone=zone, reason="granted")  # fmt: skip
    folder.case(
        "region-and-another-zone", "placement/region goes before the zone.", zone="eu-west-1a", reason="granted"
    )
    folder.case("neither-region-nor-zone", "The region is needed.", region=None, zone=None, reason="imds-error")
    for name, region in (("in-capitals", "US-WEST-2"), ("with-a-slash", "us-west-2/x"), ("empty", "")):
        folder.case(f"region-{name}", "A region has its form.", region=region, reason="imds-error")
    for name, instance in (
        ("in-capitals", INSTANCE.upper()),
        ("of-seven-digits", "i-0123456"),
        ("of-33-digits", f"i-{'0' * 33}"),
        ("empty", ""),
    ):
        folder.case(f"instance-id-{name}", "An instance id is `i-` and 8 to 32 hexadecimal digits.",
                    instance_id=instance, reason="imds-error")  # fmt: skip
    folder.case("another-instance-id", "The block was signed for another one.", instance_id="i-01234567",
                reason="instance-mismatch")  # fmt: skip


def make_users(folder: Folder) -> None:
    """The cases of users/."""
    for name, user in (
        ("one-letter", "a"),
        ("underscore", "_"),
        ("32-letters", "A" * _LONGEST),
        ("digits-then-a-letter", "0day"),
        ("31-digits-and-a-letter", "1" * 31 + "a"),
        ("digit-and-underscore", "1_"),
        ("dots-hyphens-and-an-at-sign", "first.last-x@example.com"),
        ("dollar-at-the-end", "machine$"),
        ("digit-letter-dollar", "1a$"),
    ):
        folder.case(f"{name}-is-accepted", _NAME, user=user, reason="no-active-keys")
    for name, user in (
        ("empty", ""),
        ("one-digit", "1"),
        ("digits-alone", "1234"),
        ("33-letters", "A" * (_LONGEST + 1)),
        ("32-digits-and-a-letter", "1" * _LONGEST + "a"),
        ("digit-and-dollar", "1$"),
        ("dollar-alone", "$"),
        ("dot-alone", "."),
        ("hyphen-first", "-a"),
        ("newline-behind", "a\n"),
        ("blank-within", "a b"),
        ("slash-within", "a/b"),
        ("parent-folder", ".."),
        ("letter-beyond-ascii", "\u00e4"),
        ("arabic-digit", "a\u0661"),
    ):
        folder.case(f"{name}-is-refused", _NAME, user=user, reason="user-name-invalid")
