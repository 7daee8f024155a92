# SPDX-License-Identifier: Apache-2.0
"""Runs the vectors: tests/vectors/README.md describes them."""

from __future__ import annotations

import base64
import json
import re
import time
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional

import pytest

from eic_sshd import client
from eic_sshd.config import loader
from eic_sshd.config.schema import Config
from eic_sshd.daemon import protocol
from eic_sshd.decide import checks
from eic_sshd.decide.authorizer import Authorizer
from eic_sshd.decide.dependencies import Dependencies
from eic_sshd.decide.explanation import explain
from eic_sshd.decide.fallback import KeysFile
from eic_sshd.host.groups import Groups
from eic_sshd.host.hardware import AnyHardware
from eic_sshd.host.new_folder import NewFolder
from eic_sshd.imds import saved
from eic_sshd.imds.capture import RecordingImds, SavedImds
from eic_sshd.imds.client import Imds
from eic_sshd.imds.saved import Save
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
    """A case, with the folder's defaults for the members that it does not name. `name` is FOLDER/NAME."""

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

    def mapping(self, member: str) -> Mapping[str, object]:
        value = self.members[member]
        assert isinstance(value, dict), member
        return value

    def config(self, folder: Path) -> Config:
        """The configuration with the case's `settings`; a busy machine is given time."""
        settings = {section: values for section, values in self.mapping("settings").items() if isinstance(values, dict)}
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
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in read(*folders)])


def read(*folders: str) -> Iterator[Case]:
    """The cases of these folders."""
    for folder in folders:
        content = json.loads((VECTORS / folder / "cases.json").read_text())
        for name, members in content["cases"].items():
            yield Case(f"{folder}/{name}", {**content["defaults"], **members})


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
        groups=Groups(),
        uid_min=1000,
    )
    return Authorizer(config, dependencies)


@cases(*DECISIONS)
def test_the_decision_is_as_the_vector_has_it(case: Case, tmp_path: Path) -> None:
    invocation = Invocation(case.text("user"), case.optional("fingerprint"), 42, begun=time.monotonic())
    decision = authorizer(case, case.config(tmp_path)).decide(invocation)
    assert decision.reason.word == case.text("reason"), decision.detail
    lines = [key.authorized_keys_line for key in decision.keys]
    assert sorted(lines) == sorted(case.texts("keys") if case.text("reason") == "granted" else [])


@cases(*DECISIONS)
def test_the_saved_answers_of_the_vector_give_its_decision_again(case: Case, tmp_path: Path) -> None:
    """What `explain --save` keeps of a decision is enough for `explain --from`."""
    original = authorizer(case, case.config(tmp_path))
    dependencies, recording = original._dependencies, RecordingImds(original._dependencies.imds)
    invocation = Invocation(case.text("user"), case.optional("fingerprint"), 42, begun=time.monotonic())
    first = explain(original._config, invocation, dependencies, recording)
    save = Save(first.now, invocation.user, invocation.fingerprint, None, {}, {}, recording.answers)
    folder = NewFolder.create(str(tmp_path / "case"))
    saved.write(folder, save)
    folder.close()
    loaded = saved.load(folder.path)
    imds, invocation = SavedImds(loaded.answers), Invocation(loaded.user, loaded.fingerprint, begun=time.monotonic())
    again = explain(original._config, invocation, dependencies, RecordingImds(imds))
    assert first.decision.reason.word == case.text("reason")
    assert (again.decision.reason, again.decision.detail) == (first.decision.reason, first.decision.detail)
    assert (again.decision.lines, again.rules, again.blocks) == (first.decision.lines, first.rules, first.blocks)


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


@cases("configurations")
def test_configuration_has_the_values_or_problems_of_the_vector(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "eic-sshd.conf"
    path.write_bytes(case.file("file") or b"")
    result = values(path, case.mapping("values")) if case.members["valid"] else problem_lines(path)
    assert result == case.members["values" if case.members["valid"] else "problem_lines"]


def values(path: Path, expected: Mapping[str, object]) -> Dict[str, Dict[str, object]]:
    """The values of the settings in `expected`, in the configuration at `path`."""
    config = loader.load(str(path))
    return {
        section: {key: plain(getattr(getattr(config, section), key)) for key in keys}
        for section, keys in expected.items()
        if isinstance(keys, dict)
    }


def problem_lines(path: Path) -> List[int]:
    """The lines that the problems of the configuration at `path` name."""
    with pytest.raises(loader.ConfigError) as caught:
        loader.load(str(path))
    places = [re.match(rf"{re.escape(str(path))}:(\d+): ", problem) for problem in caught.value.problems]
    return [int(place.group(1)) for place in places if place is not None]


def plain(value: object) -> object:
    """A value as JSON has it; a set is a sorted list."""
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


RECEIVED_AT = 100_000.0


def parsed(request: bytes) -> object:
    """What the daemon reads from the request, as the vectors have it."""
    try:
        if not protocol.complete(request):
            return "incomplete"
        found = protocol.parse_request(request, RECEIVED_AT)
    except protocol.MalformedRequest:
        return "malformed"
    return {
        "user": found.user,
        "fingerprint": found.fingerprint,
        "sshd_pid": found.sshd_pid,
        "config_file": found.config_file,
        "uid": found.uid,
        "milliseconds": round((RECEIVED_AT - found.begun) * 1000),
    }


@cases("protocol")
def test_message_between_client_and_daemon_is_as_the_vector_has_it(case: Case) -> None:
    members = case.members
    if "request" in members:
        assert parsed(bytes.fromhex(case.text("request"))) == members["result"]
    elif "seconds" in members:
        assert protocol.encode_accepted(float(case.text("seconds"))).hex() == members["answer"]
    elif "lines" in members:
        assert protocol.encode_answer(case.texts("lines"), members["chained"] is True).hex() == members["answer"]
    else:
        assert protocol.DECLINED.hex() == members["answer"]


WHOLE_REQUESTS = [
    pytest.param(case, id=case.name)
    for case in read("protocol")
    if isinstance(case.members.get("result"), dict) and not case.name.startswith("protocol/older")
]


@pytest.mark.parametrize("case", WHOLE_REQUESTS)
def test_client_encodes_the_request_of_the_vector(case: Case) -> None:
    fields = case.mapping("result")
    user, fingerprint, config_file = (fields[name] for name in ("user", "fingerprint", "config_file"))
    pid, milliseconds = fields["sshd_pid"], fields["milliseconds"]
    assert isinstance(user, str)
    assert isinstance(pid, int)
    assert isinstance(milliseconds, int)
    assert fingerprint is None or isinstance(fingerprint, str)
    assert config_file is None or isinstance(config_file, str)
    tokens = None if fields["uid"] is None else {"U": str(fields["uid"])}
    made = Invocation(user, fingerprint, pid, begun=0.0, config_file=config_file, tokens=tokens)
    request = client.encode_request(made, milliseconds / 1000)
    assert (len(request).to_bytes(4, "big") + request).hex() == case.text("request")
