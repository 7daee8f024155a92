# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: for each parser, what it is given, and that it raises its own errors only."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import tempfile
import time
import warnings
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from hypothesis import strategies as st

from eic_sandbox.pki.authority import Pki
from eic_sandbox.pki.ocsp import StapleKind
from eic_sandbox.pki.ocsp import staple as make_staple
from eic_sshd import client
from eic_sshd.cli import _log_times
from eic_sshd.config import loader
from eic_sshd.config.schema import SECTIONS, build
from eic_sshd.daemon import protocol
from eic_sshd.decide import pushed
from eic_sshd.host.errors import MachineError
from eic_sshd.imds import saved
from eic_sshd.imds.client import Imds
from eic_sshd.log import entries, sshd_lines, trail
from eic_sshd.model import caller_pattern, public_key, signed_key
from eic_sshd.model.deadline import Deadline
from eic_sshd.model.reasons import NotGranted
from eic_sshd.model.signed_key import Block
from eic_sshd.trust import certificate, ocsp, roots
from eic_sshd.trust import path as chain
from eic_sshd.trust.certificate import Certificate
from eic_sshd.trust.openssl import OpenSsl
from eic_sshd.trust.roots import Roots
from eic_sshd.trust.signer import SignerVerifier
from testbed import keys

from . import der, worlds

REGION, DOMAIN = "us-west-2", "amazonaws.com"
NAME = f"managed-ssh-signer.{REGION}.{DOMAIN}"
NOW = int(time.time()) + 3600  # within the lives of certificates that are made later in this run


class Target(NamedTuple):
    """`run` gets examples of `inputs`, and raises nothing."""

    name: str
    inputs: st.SearchStrategy[Any]
    run: Callable[[Any], None]


def targets(pki: Pki) -> List[Target]:
    """All of them; real certificates and staples are those of `pki`."""
    certificates = [one.der for one in (*pki.chain(), pki.root, pki.old_root)]
    staples = [
        make_staple(kind, subject, issuer)
        for kind in StapleKind
        for subject, issuer in list(zip(pki.chain(), pki.issuers()))[:1]
    ]
    return [
        Target("active-keys", _blobs(), _read_blob),
        Target("public keys", _key_lines(), _read_key),
        Target("requests over the socket", _requests(), _read_request),
        Target("the client's arguments", st.lists(_words(), max_size=6), _read_arguments),
        Target("configuration files", _configurations(), _read_configuration),
        Target("facts of IMDS", st.binary(max_size=80) | _facts(), _read_facts),
        Target("signer-cert", _pems(certificates), _read_chain),
        Target("certificates", der.changed(certificates), lambda one: _use_certificate(one, pki)),
        Target("a chain with a changed certificate", der.changed(certificates), lambda one: _verify_chain(one, pki)),
        Target("staples", der.changed(staples) | st.binary(max_size=200), lambda one: _use_staple(one, pki)),
        Target("callers and patterns of them", st.tuples(_arns(), _arns(), _words()), _match_caller),
        Target("what eic-sshd log reads", _log_texts(), _read_log_text),
        Target("folders of explain --save", _indexes(), _load_saved),
        Target("world files", worlds.contents(), lambda one: worlds.build_world(one, pki)),
        Target("signatures of blocks", st.binary(max_size=600), lambda one: _use_signature(one, pki)),
    ]


# Who may be whom.


def _arns() -> st.SearchStrategy[str]:
    pieces = ["arn", "aws", ":", "::", "/", "iam", "sts", "123456789012", "user", "assumed-role", "root", "*", "?",
              "${os_user}", "${", "}", "a", "A", " ", "\n", "\0", "\udcff", "\u00e4"]  # fmt: skip
    whole = st.sampled_from(["arn:aws:iam::123456789012:user/", "arn:*:sts::*:assumed-role/R/"])
    return st.tuples(whole | st.just(""), st.lists(st.sampled_from(pieces), max_size=12)).map(
        lambda one: one[0] + "".join(one[1])
    )


def _match_caller(example: Tuple[str, str, str]) -> None:
    pattern_text, caller_text, user = example
    try:
        pattern = caller_pattern.parse(pattern_text)
    except ValueError:
        return
    caller_pattern.traps(pattern)
    try:
        caller = caller_pattern.parse_caller(caller_text)
    except caller_pattern.MalformedCaller:
        return
    if pattern.matches(caller, user):
        assert len(caller.segments) == len(pattern.segments)


# The keys that IMDS lists.

_PIECES = [
    b"#Timestamp=1700000060\n", b"#Timestamp=", b"#Instance=i-0123456789abcdef0\n", b"#Caller=arn:aws:x\n", b"#",
    b"#Request=r\n", b"\n", b"\r\n", b" ", b"\t", b"\0", b"\x85", b"\xff", base64.b64encode(b"s" * 256), b"=",
    keys.ed25519_line().encode(), b"ssh-ed25519 ", b"ssh-rsa AAAA ", b"\n\n",
]  # fmt: skip


def _blobs() -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(_PIECES) | st.binary(max_size=12), max_size=40).map(b"".join)


def _read_blob(blob: bytes) -> None:
    for texts in (signed_key.split(blob), signed_key.carrying(blob, lambda _: True)):
        for text in texts:
            try:
                signed_key.parse(text)
            except signed_key.MalformedBlock:
                continue
    for fingerprint in (None, "SHA256:x", "MD5:00"):
        try:
            pushed.read(blob, fingerprint)
        except NotGranted:
            continue


def _key_lines() -> st.SearchStrategy[bytes]:
    whole = sorted(keys.every_type().values())
    field = st.binary(max_size=40) | st.sampled_from([b"nistp256", b"\4" + b"p" * 64, b"\1\0\1", b"\0", b"\0\x80"])
    blob = st.lists(field.map(keys.string) | st.binary(max_size=6), max_size=5).map(b"".join)
    types = st.sampled_from([*public_key.SUPPORTED_TYPES, "ssh-dss", "ssh-rsa-cert-v01@openssh.com"])
    made = st.tuples(types, blob).map(lambda one: keys.line(one[0], one[1]))
    cut = st.tuples(st.sampled_from(whole), st.integers(0, 600), st.binary(max_size=3), st.integers(0, 3)).map(
        lambda one: one[0][: one[1]] + one[2] + one[0][one[1] + one[3] :]
    )
    return made | cut | st.binary(max_size=400)


def _read_key(line: bytes) -> None:
    try:
        key = public_key.parse(line)
        public_key.KeyPolicy().verify(key)
    except (public_key.MalformedKey, public_key.ForbiddenType, public_key.TooShort):
        return
    assert public_key.parse(key.authorized_keys_line.encode()) == key


# What client and daemon receive.


def _requests() -> st.SearchStrategy[bytes]:
    field = st.binary(max_size=30) | st.sampled_from([b"1", b"0", b"root", b"99999", b"", b"-1", b"\xff", b"\xb2"])
    text = st.lists(field, max_size=8).map(b"\0".join)
    whole = text.map(lambda one: len(one).to_bytes(4, "big") + one)
    return whole | st.binary(max_size=60) | st.tuples(whole, st.integers(0, 60)).map(lambda one: one[0][: one[1]])


def _read_request(data: bytes) -> None:
    try:
        if protocol.complete(data):
            protocol.parse_request(data, 0.0)
    except protocol.MalformedRequest:
        return


def _words() -> st.SearchStrategy[str]:
    known = [
        "--socket",
        "--config",
        "--token",
        "--token=k=x",
        "--",
        "root",
        "",
        "none",
        "--socket=",
        "SHA256:x",
        "\udcff",
    ]
    return st.sampled_from(known) | st.text(max_size=8)


def _read_arguments(arguments: Sequence[str]) -> None:
    client.parse(list(arguments), 0.0, False)


# What `eic-sshd log` reads.


def _log_texts() -> st.SearchStrategy[str]:
    pieces = ["Accepted ", "publickey for ", "Invalid user ", "root", " from ", "10.0.0.1", " port ", "22", " ssh2"]
    pieces += [": ", "ED25519 SHA256:" + "a" * 43, " [preauth]", "error: ", "(uid=0)", "Connection closed by ", "\n"]
    pieces += ["pam_unix(sshd:session): session opened for user ", "9" * 30, "\0", '{"Records": [', '{"Events": [']
    pieces += ['"eventTime": ', '"2023-11-14T22:13:00Z"', ", ", '"CloudTrailEvent": ', '"eventName": ', "null", "]}"]
    pieces += ['"timestamp": ', '"message_id": ', '"SendSSHPublicKey"', '"requestParameters": ', "1e999", '"', "\udcff"]
    pieces += ["{", "}", "[", "]"]
    return st.lists(st.sampled_from(pieces) | st.text(max_size=6), max_size=30).map("".join)


def _read_log_text(text: str) -> None:
    sshd_lines.parse(text)
    entries.from_json_line(text)
    with contextlib.suppress(trail.NotATrail):
        trail.parse(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(argparse.ArgumentTypeError):
        _log_times.microseconds(text)


# What `eic-sshd explain --from` reads.


def _indexes() -> st.SearchStrategy[bytes]:
    names = ["format", "redacted", "as_of", "user", "fingerprint", "uid", "groups", "hardware", "answers"]
    names += ["path", "gave", "detail", "too_long"]
    words = st.sampled_from(["body", "nothing", "imds-error", "instance-id", "saved.json", "../x", "root"]) | st.text()
    plain = st.none() | st.booleans() | st.integers() | st.floats() | words
    values = st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names) | words, inner)
    )
    index = st.fixed_dictionaries({}, optional=dict.fromkeys(names, values))
    whole = {"format": 1, "redacted": False, "as_of": 1.0, "user": "root", "groups": {}, "hardware": {}, "answers": []}
    return (index | index.map(lambda one: {**whole, **one})).map(lambda one: json.dumps(one).encode()) | st.binary()


def _load_saved(index: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in (saved.INDEX, "instance-id"):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(index)
        with contextlib.suppress(MachineError):
            saved.load(folder)


# The configuration.


def _configurations() -> st.SearchStrategy[bytes]:
    headers = [*(section.name for section in SECTIONS), "DEFAULT", "policy", 'policy "x"', 'keys "x"']
    names = [setting.name for section in SECTIONS for setting in section.settings]
    pieces = [*(f"[{header}]\n" for header in headers), *(f"{name} = " for name in names)]
    pieces += ["\n", "#", ";", " ", "=", ":", "[", "]", "\0", "\r", "60", "yes", "/a/%u", "http://[::1", "%", "\u2028"]
    pieces += ["http://127.0.0.1:1\n", "1e9", "9" * 30, "0x10", "\u0661", "-1", "inf", "nan", "'", '"', "'\n", "\\"]
    text = st.lists(st.sampled_from(pieces) | st.text(max_size=6), max_size=30).map("".join)
    encoded = text.map(lambda one: one.encode("utf-8", "surrogatepass"))
    return encoded | st.binary(max_size=100)


def _read_configuration(content: bytes) -> None:
    # Not below /tmp, where nothing is read from that decides who may log in.
    with tempfile.TemporaryDirectory(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT") or os.path.expanduser("~")) as folder:
        path = os.path.join(folder, "eic-sshd.conf")
        with open(path, "wb") as file:
            file.write(content)
        try:
            loader.load(path)
        except loader.ConfigError:
            return


# What IMDS gives beside keys.


class _OneAnswer(Imds):
    """Gives the same bytes for every path."""

    body = b""

    def _get(self, path: str, limit: int, deadline: Deadline) -> Optional[bytes]:
        return self.body[:limit]


_IMDS = _OneAnswer("http://127.0.0.1:9", 1.0)


def _facts() -> st.SearchStrategy[bytes]:
    pieces = [b"i-", b"0123456789abcdef", b"us-", b"east-1", b"a", b"amazonaws.com", b".cn", b"\n", b" ", b"-", b"lax"]
    return st.lists(st.sampled_from(pieces), max_size=6).map(b"".join)


def _read_facts(body: bytes) -> None:
    deadline = Deadline.after(60, time.monotonic)
    _IMDS.body = body
    for read in (_IMDS.instance_id, _IMDS.region, _IMDS.staples, _IMDS.signer_chain):
        try:
            read(deadline)
        except NotGranted:
            continue


# The signer.


def _pems(certificates: List[bytes]) -> st.SearchStrategy[bytes]:
    whole = [_pem(one) for one in certificates]
    odd = [b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"\n", b"AAAA", b"=", b"\0", b"-----BEGIN "]
    random = st.lists(st.sampled_from([*whole, *odd]) | st.binary(max_size=20), max_size=12).map(b"".join)
    return random | st.lists(der.changed(certificates).map(_pem), max_size=4).map(b"".join)


def _pem(certificate: bytes) -> bytes:
    text = base64.encodebytes(certificate)
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


def _read_chain(pem: bytes) -> None:
    roots.pem_certificates(pem)
    try:
        with _no_warnings():
            chain.parse_chain(pem)
    except NotGranted:
        return


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """Libraries warn of certificates that they take all the same; under pytest that would be an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Accepting(OpenSsl):
    """Accepts every path: the target is what is parsed before and after OpenSSL runs."""

    def require_server(self, path: Sequence[Certificate], name: str) -> None:
        pass

    def require_responder(self, path: Sequence[Certificate]) -> None:
        pass


def _use_certificate(changed: bytes, pki: Pki) -> None:
    """As each of the signer, an issuer behind it, a trusted root; every path is taken as good."""
    openssl = _Accepting(True, NOW, Deadline.after(60, time.monotonic))
    signer, *issuers = (one.der for one in pki.chain())
    root = pki.root.der
    for ders, trusted in (
        ([changed, *issuers], [root]),
        ([signer, changed, *issuers], [root]),
        ([signer, *issuers], [changed]),
        ([signer, changed], [changed, root]),
    ):
        with _no_warnings(), contextlib.suppress(NotGranted):
            certificates = chain.parse_chain(b"".join(_pem(one) for one in ders))
            path = chain.path_to_root(certificates, Roots(trusted, private=True), NAME, openssl)
            ocsp.Staples(_good_staples(pki), openssl, 60).verify_status(path)


def _verify_chain(changed: bytes, pki: Pki) -> None:
    """As an issuer behind the signer and as a root, through OpenSSL: what cannot be used does no harm."""
    signer, *issuers = (one.der for one in pki.chain())
    verifier = SignerVerifier(build({}), lambda _: Roots([changed, pki.root.der], private=True))
    pem = b"".join(_pem(one) for one in [signer, changed, *issuers])
    with _no_warnings():
        verifier.verify(pem, lambda: _good_staples(pki), REGION, DOMAIN, NOW, Deadline.after(60, time.monotonic))


def _good_staples(pki: Pki) -> List[bytes]:
    return [make_staple(StapleKind.GOOD, one, issuer) for one, issuer in zip(pki.chain(), pki.issuers())]


def _use_staple(changed: bytes, pki: Pki) -> None:
    openssl = _Accepting(True, NOW, Deadline.after(60, time.monotonic))
    path = [certificate.read(one.der) for one in [*pki.chain()[:2], pki.root]]
    good = _good_staples(pki)
    for staples in ([changed], [changed, *good], [*good, changed]):
        with _no_warnings(), contextlib.suppress(NotGranted):
            ocsp.Staples(staples, openssl, 60).verify_status(path)


def _use_signature(signature: bytes, pki: Pki) -> None:
    from eic_sshd.trust.signer import Signer

    block = Block(NOW, "i-0", None, None, b"", b"signed\n", signature)
    try:
        Signer(pki.signer.key.public_key(), NOW).verify(block)
    except NotGranted:
        return
