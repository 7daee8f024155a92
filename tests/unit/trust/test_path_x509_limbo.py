# SPDX-License-Identifier: Apache-2.0
"""x509-limbo (C2SP, Apache-2.0): certificate chains that a TLS client must accept or refuse, with the reason.

Each case whose validation kind is SERVER goes through `chain.path_to_root` (the path, its purpose, the host name, and
our own rules) with its own name, roots and time. The signer's CN, the type of its key and its staples are left out.
Nothing that must be refused may be accepted. What must be accepted may be refused for a rule of ours only: RULES.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List

import pytest

from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted
from eic_sshd.trust import path
from eic_sshd.trust.openssl import OpenSsl
from eic_sshd.trust.roots import Roots, pem_certificates

_REPOSITORY = Path(__file__).resolve().parents[3]
LIMBO = Path(os.environ.get("EIC_X509_LIMBO", _REPOSITORY.parent / "shared" / "data" / "x509-limbo.json"))

# Which of our rules refuses a case that others accept, and what the refusal says.
RULES = {
    "rfc5280::eku::ee-without-eku": "(serverAuth)",
    "rfc5280::nc::permitted-ipv4-match": "is not among them",  # only a dNSName names the signer
    "rfc5280::nc::permitted-ipv6-match": "is not among them",
    "rfc5280::nc::permitted-dn-match": "is not among them",
    "webpki::san::exact-localhost-ip-san": "is not among them",
    "webpki::san::leftmost-wildcard-san": "is not among them",  # no wildcard
    "webpki::nc::nc-permits-dns-san-pattern": "is not among them",
    "rfc5280::nc::permitted-dns-match-more": "its CN 'example.com' is not among its dNSNames",
    "rfc5280::ca-as-leaf": "it is a CA's",
    "pathlen::validation-ignores-pathlen-in-leaf": "it is a CA's",
    "webpki::nc::permitted-dns-match-noncritical": "its nameConstraints are not critical",
    # A trusted certificate that another CA issued, and which lacks what every issued certificate has: limbo wants it
    # refused in rfc5280::aki::cross-signed-root-missing-aki, and accepted here.
    "cve::cve-2024-0567": "it has no authorityKeyIdentifier",
    # OpenSSL counts the second of notAfter as past, and so do we for `Signer.valid_until`.
    "rfc5280::validity::notafter-exact": "certificate has expired",
    "rfc5280::validity::notafter-fractional": "certificate has expired",
}
# A public root is self-signed; a site's own ca_file may name an intermediate.
PUBLIC_RULES = {"rfc5280::root-and-intermediate-swapped": "unable to get issuer certificate"}


def cases() -> List[Dict[str, Any]]:
    with LIMBO.open(encoding="utf-8") as file:
        found: List[Dict[str, Any]] = json.load(file)["testcases"]
    return [case for case in found if case.get("validation_kind", "SERVER") == "SERVER"]


def result(case: Dict[str, Any], private: bool) -> str:
    """Nothing if the case is accepted, else why it is refused."""
    presented = "\n".join([case["peer_certificate"], *case.get("untrusted_intermediates", [])]).encode()
    trusted = Roots(pem_certificates("\n".join(case["trusted_certs"]).encode()), private)
    name = (case.get("expected_peer_name") or {}).get("value", "none.example.com")
    at = case.get("validation_time")
    now = datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() if at else time.time()
    # A depth of 0 is a false value, which some copies leave out.
    depth = case.get("max_chain_depth", 0 if "max-chain-depth-0" in case["id"] else path.MAX_DEPTH)
    command = OpenSsl(private, int(now), Deadline.after(60, time.monotonic))
    try:
        path.path_to_root(path.parse_chain(presented), trusted, name, command, depth)
        return ""
    except NotGranted as refusal:
        return refusal.detail


@pytest.mark.skipif(not LIMBO.exists(), reason=f"there is no {LIMBO}; EIC_X509_LIMBO names another copy of x509-limbo")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("private", [False, True], ids=["public roots", "private roots"])
def test_every_limbo_case_has_the_expected_result_or_is_refused_by_a_stricter_rule(private: bool) -> None:
    found = cases()
    assert len(found) >= 176
    rules = RULES if private else {**RULES, **PUBLIC_RULES}
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = dict(zip((case["id"] for case in found), pool.map(lambda case: result(case, private), found)))
    failures = {case["id"] for case in found if case["expected_result"] == "FAILURE"}
    assert {name for name in failures if not results[name]} == set()
    too_strict = {name: why for name, why in results.items() if why and name not in failures}
    assert {name: why for name, why in too_strict.items() if name not in rules or rules[name] not in why} == {}
