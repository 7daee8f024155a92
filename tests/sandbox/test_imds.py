# SPDX-License-Identifier: Apache-2.0
"""The sandbox's IMDSv2, and the blocks, chain and staples that it gives."""

from __future__ import annotations

import base64
import hashlib
from typing import Dict

import pytest
import requests
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eic_sandbox.cloud.instance import Instance
from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sandbox.pki.authority import Pki
from eic_sandbox.server import Sandbox, running
from eic_sandbox.world.single import single

from .api import push
from .metadata import ID, TOKEN, TTL, read, token


@pytest.mark.parametrize(
    ("ttl", "status"),
    [("1", 200), ("21600", 200), ("0", 400), ("21601", 400), ("", 400), ("-1", 400), ("x", 400), ("9" * 9, 400)],
)
def test_an_imds_token_has_a_ttl_of_1_to_21600_seconds(
    session: requests.Session, sandbox: Sandbox, ttl: str, status: int
) -> None:
    answer = token(session, sandbox, ttl)
    assert answer.status_code == status
    if status == 200:
        assert answer.headers[TTL] == ttl


@pytest.mark.parametrize("headers", [{"X-Nothing": "x"}, {TOKEN: "made-up"}, {TOKEN: ""}])
def test_a_read_without_a_valid_imds_token_is_401(
    session: requests.Session, sandbox: Sandbox, headers: Dict[str, str]
) -> None:
    assert read(session, sandbox, "instance-id", **headers).status_code == 401


def test_an_imds_token_expires(session: requests.Session, pki: Pki) -> None:
    now = [0.0]
    with running(Sandbox(single(Instance(InstanceMetadata(), pki)), token_clock=lambda: now[0])) as sandbox:
        good = token(session, sandbox, "10").text
        now[0] = 9.9
        assert read(session, sandbox, "instance-id", **{TOKEN: good}).status_code == 200
        now[0] = 10.0
        assert read(session, sandbox, "instance-id", **{TOKEN: good}).status_code == 401


def test_a_forwarded_request_for_a_token_is_403(session: requests.Session, sandbox: Sandbox) -> None:
    url = f"{sandbox.endpoints['imds']}/latest/api/token"
    answer = session.put(url, headers={TTL: "60", "X-Forwarded-For": "10.0.0.1"}, timeout=5)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("instance-id", ID),
        ("placement/region", "us-west-2"),
        ("placement/availability-zone", "us-west-2a"),
        ("services/domain", "amazonaws.com"),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_metadata_is_read_with_and_without_a_closing_slash(
    session: requests.Session, sandbox: Sandbox, path: str, text: str, slash: str
) -> None:
    assert read(session, sandbox, path + slash).text == text


def test_a_user_without_keys_is_404_also_for_a_head_request(session: requests.Session, sandbox: Sandbox) -> None:
    path = "managed-ssh-keys/active-keys/root/"
    assert read(session, sandbox, path).status_code == 404
    url = f"{sandbox.endpoints['imds']}/latest/meta-data/{path}"
    assert session.head(url, headers={TOKEN: token(session, sandbox).text}, timeout=5).status_code == 404


def test_staples_are_listed_by_name_and_the_chain_ends_with_cross_signed_roots(
    session: requests.Session, sandbox: Sandbox
) -> None:
    names = read(session, sandbox, "managed-ssh-keys/signer-ocsp").text.split()
    chain = read(session, sandbox, "managed-ssh-keys/signer-cert").text
    assert len(names) == chain.count("BEGIN CERTIFICATE") == 4
    assert all(len(name) == 40 for name in names)
    assert chain.endswith(sandbox.instance.pki.cross_signed_old_root.pem.decode())
    assert read(session, sandbox, f"managed-ssh-keys/signer-ocsp/{names[0]}").status_code == 200


def test_connections_are_kept_alive(session: requests.Session, sandbox: Sandbox) -> None:
    before = sandbox.imds.connections
    for _ in range(5):
        read(session, sandbox, "instance-id")
    assert sandbox.imds.connections == before + 1


def test_a_pushed_key_is_gone_once_its_window_has_passed(pki: Pki, ed25519: str) -> None:
    now = [1000.0]
    instance = Instance(InstanceMetadata(), pki, window=60, clock=lambda: now[0])
    instance.push("root", ed25519, "arn")
    now[0] = 1059.0
    keys_path = "managed-ssh-keys/active-keys/root"
    assert instance.read(keys_path) is not None
    now[0] = 1060.0
    assert instance.read(keys_path) is None


@pytest.mark.parametrize("fault", ["past-timestamp", "mixed-blocks"])
def test_blocks_are_the_same_bytes_whenever_they_are_read(pki: Pki, ed25519: str, fault: str) -> None:
    now = [1000.0]
    instance = Instance(InstanceMetadata(), pki, window=60, clock=lambda: now[0])
    instance.push("root", ed25519, "arn")
    instance.faults.set(fault)
    first = instance.read("managed-ssh-keys/active-keys/root")
    now[0] = 1059.0
    assert instance.read("managed-ssh-keys/active-keys/root") == first


def test_a_block_has_its_signature_on_one_line_of_base64(
    session: requests.Session, sandbox: Sandbox, ed25519: str
) -> None:
    push(sandbox, ed25519)
    lines = read(session, sandbox, "managed-ssh-keys/active-keys/root").text.splitlines()
    assert [line.partition("=")[0] for line in lines[:4]] == ["#Timestamp", "#Instance", "#Caller", "#Request"]
    assert lines[4] == ed25519
    assert len(base64.b64decode(lines[5], validate=True)) == 256
    assert lines[6:] == []


def test_staples_are_named_by_the_certificates_sha1_in_upper_case(session: requests.Session, sandbox: Sandbox) -> None:
    names = read(session, sandbox, "managed-ssh-keys/signer-ocsp").text.split()
    ders = [one.der for one in sandbox.instance.pki.chain()]
    assert names == [hashlib.sha1(der).hexdigest().upper() for der in ders]  # noqa: S324 - a name


def test_the_signers_certificate_is_like_the_real_ones(sandbox: Sandbox) -> None:
    pki = sandbox.instance.pki
    name, common = "managed-ssh-signer.us-west-2.amazonaws.com", NameOID.COMMON_NAME
    signer = pki.signer.certificate
    names = signer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [name]
    assert [one.value for one in signer.subject.get_attributes_for_oid(common)] == [name]
    usages = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert signer.public_key().key_size == 2048  # type: ignore[union-attr]
    subjects = [one.certificate.subject for one in pki.chain()]
    issuers = [one.certificate.issuer for one in pki.chain()]
    assert issuers[:-1] == subjects[1:]
    assert all(one.certificate.subject != one.certificate.issuer for one in pki.chain())
    assert len(pki.chain()) == 4
