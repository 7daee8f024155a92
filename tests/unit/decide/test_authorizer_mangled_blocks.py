# SPDX-License-Identifier: Apache-2.0
"""However IMDS's answer is mangled, nothing comes out that was not signed for this user's instance and moment."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eic_sandbox.cloud.instance import Instance
from eic_sandbox.imds.metadata import InstanceMetadata
from eic_sandbox.pki.authority import Pki
from eic_sshd.config.schema import FallbackSettings, build
from eic_sshd.decide.authorizer import Authorizer
from eic_sshd.decide.dependencies import Dependencies
from eic_sshd.decide.fallback import KeysFile
from eic_sshd.host.groups import Groups
from eic_sshd.host.hardware import AnyHardware
from eic_sshd.invocation import Invocation
from eic_sshd.model.outcome import Outcome
from eic_sshd.model.public_key import KeyPolicy, parse
from eic_sshd.model.reasons import NotGranted, Reason
from eic_sshd.trust.signer import Signer, SignerVerifier
from testbed import keys
from testbed.memory_imds import MemoryImds

USER = "ec2-user"
REFUSALS = {
    Reason.GRANTED,
    Reason.NO_ACTIVE_KEYS,
    Reason.BLOCK_MALFORMED,
    Reason.BAD_SIGNATURE,
    Reason.KEY_MALFORMED,
    Reason.FINGERPRINT_MISMATCH,
}


class Answering(MemoryImds):
    """Says `blob` for the keys."""

    blob = b""

    def _get(self, path: str, limit: int, deadline: object) -> bytes:
        return self.blob if "active-keys" in path else super()._get(path, limit, deadline) or b""  # type: ignore[arg-type]


class AlreadyVerified(SignerVerifier):
    """The chain is not what is tried here."""

    def __init__(self, pki: Pki) -> None:
        self.signer = Signer(pki.signer.key.public_key(), 2**40)

    def verify(self, *_: object) -> Signer:
        return self.signer


@pytest.fixture(scope="module")
def scene(pki: Pki) -> tuple[Authorizer, Answering, bytes, str]:
    instance = Instance(InstanceMetadata(), pki)
    line = keys.ed25519_line()
    instance.push(USER, line, "arn:aws:x")
    blob = instance.read(f"managed-ssh-keys/active-keys/{USER}")
    assert blob is not None
    imds = Answering(instance)
    begun = time.time()
    dependencies = Dependencies(
        imds=imds,
        hardware=AnyHardware(),
        verifier=lambda: AlreadyVerified(pki),
        keys_on_disk=KeysFile(FallbackSettings(), KeyPolicy()),
        now=lambda: begun,
        monotonic=time.monotonic,
        groups=Groups(),
        uid_min=1000,
    )
    return Authorizer(build({}), dependencies), imds, blob, line


quick = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def test_unaltered_block_is_granted(scene: tuple[Authorizer, Answering, bytes, str]) -> None:
    authorizer, imds, blob, line = scene
    imds.blob = blob
    decision = authorizer.decide(Invocation(USER, parse(line.encode()).fingerprint, begun=time.monotonic()))
    assert decision.outcome is Outcome.GRANTED


@quick
@given(st.data())
def test_altered_block_grants_nothing_but_the_signed_key(
    scene: tuple[Authorizer, Answering, bytes, str], data: st.DataObject
) -> None:
    authorizer, imds, blob, line = scene
    mangled = bytearray(blob)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mangled) - 1))
        how = data.draw(st.sampled_from(["set", "cut", "insert", "move"]))
        if how == "set":
            mangled[at] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del mangled[at : at + data.draw(st.integers(1, 40))]
        elif how == "insert":
            mangled[at:at] = data.draw(st.sampled_from([b"\n", b"#", b"\n\n", b"\r", b"#Timestamp=9\n", blob]))
        else:
            mangled = mangled[at:] + mangled[:at]
        if not mangled:
            mangled = bytearray(b"\n")
    imds.blob = bytes(mangled)
    fingerprint = data.draw(st.sampled_from([None, parse(line.encode()).fingerprint]))
    decision = authorizer.decide(Invocation(USER, fingerprint, begun=time.monotonic()))
    assert decision.reason in REFUSALS
    assert set(decision.keys) <= {parse(line.encode())}


@quick
@given(st.binary(max_size=500), st.sampled_from([None, "SHA256:x"]))
def test_random_bytes_are_never_granted(
    scene: tuple[Authorizer, Answering, bytes, str], blob: bytes, fingerprint: str | None
) -> None:
    authorizer, imds, _, _ = scene
    imds.blob = blob
    decision = authorizer.decide(Invocation(USER, fingerprint, begun=time.monotonic()))
    assert decision.keys == ()
    assert decision.reason is not Reason.INTERNAL_ERROR


@pytest.mark.parametrize("signed_for", ["i-0fedcba9876543210", ""])
def test_repeated_signed_field_is_refused(
    scene: tuple[Authorizer, Answering, bytes, str], pki: Pki, signed_for: str
) -> None:
    import base64

    authorizer, imds, _, line = scene
    instance_id = InstanceMetadata().instance_id
    signed = f"#Timestamp={int(time.time()) + 60}\n#Instance={signed_for}\n#Instance={instance_id}\n{line}\n".encode()
    imds.blob = signed + base64.b64encode(pki.sign(pki.signer, signed))
    assert authorizer.decide(Invocation(USER, begun=time.monotonic())).reason is Reason.BLOCK_MALFORMED


def test_refusal_of_an_altered_block_has_its_reason() -> None:
    assert str(NotGranted(Reason.EXPIRED, "the key expired")) == "expired: the key expired"
