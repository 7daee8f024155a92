# SPDX-License-Identifier: Apache-2.0
"""A REVOKED by the issuer or its responder counts, however old it is, whatever is beside it."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Sequence

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from eic_sandbox.pki.authority import Identity, Pki, ec_key, issue, issue_server, utcnow
from eic_sandbox.pki.ocsp import StapleKind, staple
from eic_sshd.model.reasons import Reason
from eic_sshd.trust import openssl

from .signing import pem, refusal, trusting
from .stapling import (
    OCSP_SIGNING,
    REVOKED,
    delegates,
    good_until,
    of_signer,
    refused,
    responder,
)


def test_revoked_by_the_issuer_counts_at_any_age_beside_a_good_staple(pki: Pki) -> None:
    ahead = utcnow() + timedelta(days=1)
    for revoked in (
        of_signer(pki, REVOKED),
        of_signer(pki, StapleKind.REVOKED_LONG_AGO),
        of_signer(pki, REVOKED, updates=(utcnow(), None)),
        of_signer(pki, REVOKED, updates=(ahead, ahead - timedelta(hours=1))),
    ):
        for staples in ([of_signer(pki), revoked], [revoked, of_signer(pki)]):
            assert refused(pki, staples).reason is Reason.SIGNER_REVOKED


def test_revoked_by_a_delegate_counts_although_its_good_does_not(pki: Pki) -> None:
    for one in [responder(pki), *delegates(pki).values()]:
        for kind in (REVOKED, StapleKind.REVOKED_LONG_AGO):
            staples = [of_signer(pki), of_signer(pki, kind, responder=one)]
            assert refused(pki, staples).reason is Reason.SIGNER_REVOKED


@pytest.mark.filterwarnings("ignore:SHA1")
def test_revoked_signed_with_sha1_counts(pki: Pki, tmp_path: Path) -> None:
    try:
        revoked, good = (several(pki, tmp_path, ["signer"], status, "sha1") for status in ("revoked", "good"))
    except subprocess.CalledProcessError:
        pytest.skip("OpenSSL signs nothing with SHA-1 here")
    assert refused(pki, [of_signer(pki), revoked]).reason is Reason.SIGNER_REVOKED
    assert "too weak" in refused(pki, [good]).detail


def test_revoked_by_an_unauthorized_responder_does_not_count(pki: Pki) -> None:
    strangers = [
        issue("Foreign Responder", ec_key(), ca=False, usages=[OCSP_SIGNING]),
        responder(pki, usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
        responder(pki, usages=[]),
        responder(pki, issuer=pki.root),
        responder(pki, issuer=Identity(pki.intermediates[0].certificate, ec_key())),
    ]
    for stranger in strangers:
        good_until(pki, [of_signer(pki), of_signer(pki, REVOKED, responder=stranger)])
        good_until(pki, [of_signer(pki, REVOKED, responder=stranger), of_signer(pki)])


def test_revoked_intermediate_is_reported_before_a_missing_staple(pki: Pki) -> None:
    revoked = staple(StapleKind.REVOKED_LONG_AGO, pki.intermediates[0], pki.root)
    assert refusal(pem(pki.chain()), [revoked], trusting(pki.root)) is Reason.SIGNER_REVOKED


def several(pki: Pki, tmp_path: Path, entries: Sequence[str], status: str = "revoked", digest: str = "sha256") -> bytes:
    """One response of OpenSSL's responder: good for each of `entries`, and `status` for the one that is `signer`."""
    issuer = pki.intermediates[0]
    (tmp_path / "ca.pem").write_bytes(issuer.pem)
    key = issuer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "ca.key").write_bytes(key)
    subjects = [issue_server(f"other{number}.example.com", pki.signer.key, issuer) for number in range(len(entries))]
    subjects[entries.index("signer")] = pki.signer
    lines, names = [], []
    for number, (subject, entry) in enumerate(zip(subjects, entries)):
        serial = f"{subject.certificate.serial_number:X}"
        serial = serial if len(serial) % 2 == 0 else f"0{serial}"
        revoked = entry == "signer" and status == "revoked"
        line = "R\t391231235959Z\t250101000000Z" if revoked else "V\t391231235959Z\t"
        lines.append(f"{line}\t{serial}\tunknown\t/CN={number}\n")
        (tmp_path / f"{number}.pem").write_bytes(subject.pem)
        names += ["-cert", str(tmp_path / f"{number}.pem")]
    (tmp_path / "index.txt").write_text("".join(lines))
    ca = str(tmp_path / "ca.pem")
    command = [openssl.PROGRAM, "ocsp", "-index", str(tmp_path / "index.txt"), "-CA", ca, "-rsigner", ca]
    command += ["-rkey", str(tmp_path / "ca.key"), "-issuer", ca, *names, "-ndays", "1"]
    command += ["-respout", str(tmp_path / "response.der"), "-resp_no_certs", "-rmd", digest]
    subprocess.run(command, check=True, capture_output=True)
    return (tmp_path / "response.der").read_bytes()


# cryptography before 37 cannot parse such a response, so one of its answers may be REVOKED.
SEVERAL = Reason.SIGNER_REVOKED if hasattr(ocsp.OCSPResponse, "responses") else Reason.STAPLE_INVALID


@pytest.mark.parametrize("position", [0, 1, 2])
def test_revoked_among_several_answers_of_a_response_counts(pki: Pki, tmp_path: Path, position: int) -> None:
    entries = ["other", "other"]
    entries.insert(position, "signer")
    revoked = several(pki, tmp_path, entries)
    for staples in ([revoked], [of_signer(pki), revoked], [revoked, of_signer(pki)]):
        assert refused(pki, staples).reason is SEVERAL
