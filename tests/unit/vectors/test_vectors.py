# SPDX-License-Identifier: Apache-2.0
"""Runs the vectors: tests/vectors/README.md describes them."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional

import pytest

from eic_sshd.config import loader
from eic_sshd.config.schema import Config
from eic_sshd.decide import checks
from eic_sshd.decide.authorizer import Authorizer
from eic_sshd.decide.dependencies import Dependencies
from eic_sshd.decide.fallback import KeysFile
from eic_sshd.host.hardware import AnyHardware
from eic_sshd.imds.client import Imds
from eic_sshd.invocation import Invocation
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted
from eic_sshd.model.signed_key import Block
from eic_sshd.trust.roots import Roots, pem_certificates
from eic_sshd.trust.signer import SignerVerifier
from tools.documents import ROOT

VECTORS = Path(ROOT) / "tests/vectors"
DECISIONS = ("blocks", "chains", "staples", "metadata", "users")


class Case(NamedTuple):
    """A case of a folder, with the folder's defaults for the members that it does not name."""

    name: str
    members: Mapping[str, object]

    def text(self, member: str) -> str:
        value = self.members[member]
        assert isinstance(value, str), member
        return value

    def optional(self, member: str) -> Optional[str]:
        return None if self.members[member] is None else self.text(member)

    def number(self, member: str) -> int:
        value = self.members[member]
        assert isinstance(value, int), member
        return value

    def texts(self, member: str) -> List[str]:
        value = self.members[member]
        assert isinstance(value, list), member
        return value

    def file(self, member: str) -> Optional[bytes]:
        path = self.optional(member)
        return None if path is None else (VECTORS / path).read_bytes()

    def files(self, member: str) -> List[bytes]:
        return [(VECTORS / path).read_bytes() for path in self.texts(member)]

    def config(self, folder: Path) -> Config:
        """The configuration with the case's `settings`; a busy machine is given time."""
        settings = self.members["settings"]
        assert isinstance(settings, dict)
        path = folder / "eic-sshd.conf"
        path.write_text(
            "[imds]\ndeadline = 30\n"
            + "".join(
                f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
                for section, values in settings.items()
            )
        )
        return loader.load(str(path))


def cases(*folders: str) -> pytest.MarkDecorator:
    """The cases of these folders as the parameter `case`."""
    found = []
    for folder in folders:
        content = json.loads((VECTORS / folder / "cases.json").read_text())
        for name, members in content["cases"].items():
            found.append(pytest.param(Case(name, {**content["defaults"], **members}), id=f"{folder}/{name}"))
    return pytest.mark.parametrize("case", found)


class FileImds(Imds):
    """Gives `bodies` by path below /latest/meta-data/, and 404 for every other path."""

    def __init__(self, bodies: Dict[str, bytes]) -> None:
        super().__init__("http://127.0.0.1:9", 1.0)
        self._bodies = bodies

    def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        return self._bodies.get(path)


def imds(case: Case) -> FileImds:
    facts = {
        "instance-id": case.optional("instance_id"),
        "placement/region": case.optional("region"),
        "placement/availability-zone": case.optional("zone"),
        "services/domain": case.optional("domain"),
    }
    staples = case.files("staples")
    names = [f"staple-{number}" for number in range(len(staples))]
    bodies = {
        **{path: None if fact is None else fact.encode() for path, fact in facts.items()},
        f"managed-ssh-keys/active-keys/{case.text('user')}": case.file("blocks"),
        "managed-ssh-keys/signer-cert": case.file("chain"),
        "managed-ssh-keys/signer-ocsp": "\n".join(names).encode(),
        **{f"managed-ssh-keys/signer-ocsp/{name}": base64.b64encode(der) for name, der in zip(names, staples)},
    }
    return FileImds({path: body for path, body in bodies.items() if body is not None})


def authorizer(case: Case, config: Config) -> Authorizer:
    certificates = [der for pem in case.files("roots") for der in pem_certificates(pem)]
    trusted = Roots(certificates, private=not case.members["roots_are_public"])
    dependencies = Dependencies(
        imds=imds(case),
        hardware=AnyHardware(),
        verifier=lambda: SignerVerifier(config, lambda domain: trusted),
        keys_on_disk=KeysFile(config.fallback, config.keys.policy, lambda path: b""),
        now=lambda: float(case.number("now")),
        monotonic=time.monotonic,
    )
    return Authorizer(config, dependencies)


@cases(*DECISIONS)
def test_the_decision_is_as_the_vector_has_it(case: Case, tmp_path: Path) -> None:
    invocation = Invocation(case.text("user"), case.optional("fingerprint"), 42, begun=time.monotonic())
    decision = authorizer(case, case.config(tmp_path)).decide(invocation)
    assert decision.reason.word == case.text("reason"), decision.detail
    lines = [key.authorized_keys_line for key in decision.keys]
    assert sorted(lines) == sorted(case.texts("keys") if case.text("reason") == "granted" else [])


@cases("keys")
def test_the_key_is_accepted_or_refused_as_the_vector_has_it(case: Case, tmp_path: Path) -> None:
    block = Block(0, "", None, None, case.file("file") or b"", b"", b"")
    try:
        key = checks.key_of(block)
        checks.require_allowed(key, case.config(tmp_path).keys.policy)
        result = {"line": key.authorized_keys_line}
    except NotGranted as refusal:
        result = {"reason": refusal.reason.word}
    assert result == {name: case.members[name] for name in ("line", "reason") if name in case.members}
