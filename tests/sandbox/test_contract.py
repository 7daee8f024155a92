# SPDX-License-Identifier: Apache-2.0
"""The sandbox and eic-sshd hold the same contract with EC2, though neither imports the other."""

from __future__ import annotations

import hashlib
import ssl
import time
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eic_sandbox.cloud.instance import ACTIVE_KEYS, Instance
from eic_sandbox.server import Sandbox
from eic_sandbox.services.instance_connect import OS_USER
from eic_sandbox.services.ssh_public_key import UnacceptableKey, authorized_keys_line
from eic_sshd.decide.checks import USER_NAME
from eic_sshd.imds.client import Imds
from eic_sshd.model import public_key, signed_key
from eic_sshd.model.deadline import Deadline
from eic_sshd.trust.signer import Signer
from testbed import keys

ALPHABET = "aZ09@._-$ /\n\u0661"


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("a", True), ("_", True), ("ec2-user", True), ("0day", True), ("9.x", True), ("1_", True), ("A" * 32, True),
        ("1" * 31 + "a", True), ("machine$", True), ("1a$", True), ("a@example.com", True),
        ("", False), ("1", False), ("1234", False), ("A" * 33, False), ("1" * 32 + "a", False), ("1$", False),
        ("$", False), (".", False), ("-a", False), ("a\n", False), ("a b", False), ("\u00e4", False), ("../a", False),
    ],
)  # fmt: skip
def test_both_sides_accept_the_same_user_names_of_a_table(name: str, accepted: bool) -> None:
    assert (OS_USER.fullmatch(name) is not None) == (USER_NAME.fullmatch(name) is not None) == accepted


@given(st.one_of(st.from_regex(OS_USER), st.from_regex(USER_NAME), st.text(ALPHABET, max_size=34)))
def test_both_sides_accept_the_same_generated_user_names(name: str) -> None:
    assert (OS_USER.fullmatch(name) is not None) == (USER_NAME.fullmatch(name) is not None)


@pytest.fixture
def blocks(instance: Instance, ed25519: str) -> List[signed_key.Block]:
    """Two blocks of the sandbox, as eic_sshd parses them."""
    for caller in ("arn:aws:sts::123456789012:assumed-role/A/a", "arn:aws:iam::123456789012:user/b"):
        instance.push("root", ed25519, caller)
    answer = instance.read(f"{ACTIVE_KEYS}root")
    assert answer is not None
    return [signed_key.parse(block) for block in signed_key.split(answer)]


def test_eic_sshd_reads_the_sandboxs_blocks_and_verifies_their_signatures(
    instance: Instance, ed25519: str, blocks: List[signed_key.Block]
) -> None:
    assert [block.caller for block in blocks] == [
        "arn:aws:sts::123456789012:assumed-role/A/a",
        "arn:aws:iam::123456789012:user/b",
    ]
    for block in blocks:
        assert block.instance == instance.metadata.instance_id
        assert 0 < block.timestamp - time.time() <= instance.window
        assert public_key.parse(block.key_line).authorized_keys_line == " ".join(ed25519.split()[:2])
        Signer(instance.pki.signer.key.public_key(), 2**40).verify(block)


def test_eic_sshd_reads_every_imds_path_that_it_needs_from_the_sandbox(sandbox: Sandbox, ed25519: str) -> None:
    metadata, pki = sandbox.instance.metadata, sandbox.instance.pki
    sandbox.instance.push("root", ed25519, "arn:aws:iam::123456789012:user/b")
    deadline = Deadline.after(30, time.monotonic)
    with Imds(sandbox.endpoints["imds"], 5.0) as imds:
        assert imds.instance_id(deadline) == metadata.instance_id
        assert imds.region(deadline) == metadata.region
        assert imds.domain(metadata.region, deadline) == metadata.domain
        chain = imds.signer_chain(deadline).decode()
        assert ssl.PEM_cert_to_DER_cert(chain[: chain.index("-----END") + 25]) == pki.signer.der
        assert len(imds.staples(deadline)) == len(pki.chain())
        assert ed25519.split()[1].encode() in (imds.active_keys("root", deadline) or b"")
        sandbox.instance.faults.set("no-region")
        imds.forget()
        assert imds.region(deadline) == metadata.region
    below = "GET latest/meta-data/"
    names = [hashlib.sha1(one.der).hexdigest().upper() for one in pki.chain()]  # noqa: S324 - names, not signatures
    assert set(sandbox.imds.requests) == {
        "PUT latest/api/token",
        f"{below}instance-id",
        f"{below}placement/region",
        f"{below}placement/availability-zone",
        f"{below}services/domain",
        f"{below}managed-ssh-keys/signer-cert",
        f"{below}managed-ssh-keys/signer-ocsp",
        f"{below}managed-ssh-keys/active-keys/root",
        *[f"{below}managed-ssh-keys/signer-ocsp/{name}" for name in names],
    }


@pytest.mark.parametrize("key_type", keys.every_type())
def test_eic_sshd_parses_every_key_that_the_api_accepts_to_the_same_bytes(key_type: str) -> None:
    line = keys.every_type()[key_type].decode()
    try:
        accepted = authorized_keys_line(line)
    except UnacceptableKey:
        assert key_type not in ("ssh-ed25519", "ssh-rsa")
        return
    assert key_type in ("ssh-ed25519", "ssh-rsa")
    key = public_key.parse(accepted.encode())
    public_key.KeyPolicy().verify(key)
    assert key.authorized_keys_line == " ".join(line.split()[:2])
