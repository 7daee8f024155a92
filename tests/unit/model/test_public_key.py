# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import shutil
import subprocess
from typing import Dict

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from eic_sshd.model import public_key
from eic_sshd.model.public_key import KeyPolicy, MalformedKey
from testbed import keys
from testbed.keys import line, mpint, string

WHOLE = keys.every_type()
RSA_N = (1 << 2047) + 1
# The same in each process: tests are named after it.
P256 = keys.point(ec.SECP256R1(), private=1)
SK = public_key.SK_ED25519


@pytest.mark.parametrize("key_type", WHOLE)
def test_key_of_every_supported_type_is_parsed_and_allowed(key_type: str) -> None:
    key = public_key.parse(WHOLE[key_type])
    KeyPolicy().verify(key)
    assert key.key_type == key_type


@pytest.mark.parametrize("key_type", WHOLE)
def test_key_is_encoded_without_its_comment(key_type: str) -> None:
    words = WHOLE[key_type].decode().split()
    assert public_key.parse(WHOLE[key_type]).authorized_keys_line == f"{words[0]} {words[1]}"


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="compares with ssh-keygen")
@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("key_type", WHOLE)
def test_fingerprint_equals_that_of_ssh_keygen(key_type: str, algorithm: str) -> None:
    command = ["ssh-keygen", "-l", "-E", algorithm, "-f", "-"]
    listed = subprocess.run(command, input=WHOLE[key_type], capture_output=True, check=True)
    assert public_key.parse(WHOLE[key_type]).has_fingerprint(listed.stdout.decode().split()[1])


def stray(encoded: bytes) -> bytes:
    """The same bytes in base64 that no encoder writes: bits set that the padding makes meaningless."""
    assert encoded.endswith(b"=")
    assert not encoded.endswith(b"==")
    changed = encoded[:-2] + bytes([encoded[-2] + 1]) + b"="
    assert base64.b64decode(changed.split()[1]) == base64.b64decode(encoded.split()[1])
    return changed


BROKEN: Dict[str, bytes] = {
    "empty": b"",
    "type alone": b"ssh-ed25519",
    "no base64": b"ssh-ed25519 !!!!",
    "base64 with a hole": b"ssh-ed25519 " + WHOLE["ssh-ed25519"].split()[1][:20] + b"\0" + b"AAAA",
    "base64 with stray bits": stray(line("ecdsa-sha2-nistp256", string(b"nistp256"), string(P256), comment="")),
    "options before the key": b'command="id" ' + WHOLE["ssh-ed25519"],
    "leading blank": b" " + WHOLE["ssh-ed25519"],
    "another type within": line("ssh-ed25519", string(b"k" * 32), inner_type="ssh-rsa"),
    "rsa dressed as ed25519": line("ssh-ed25519", mpint(65537), mpint(RSA_N), inner_type="ssh-rsa"),
    "blob of three bytes": b"ssh-ed25519 AAAA",
    "type that is no text": line("ssh-ed25519", string(b"k" * 32), inner_type="\u00e9"),
    "31 bytes": line("ssh-ed25519", string(b"k" * 31)),
    "33 bytes": line("ssh-ed25519", string(b"k" * 33)),
    "cut short": line("ssh-ed25519", string(b"k" * 32)[:-1]),
    "length past the end": line("ssh-ed25519", b"\xff\xff\xff\xff" + b"k" * 32),
    "bytes behind": line("ssh-ed25519", string(b"k" * 32), b"x"),
    "rsa negative modulus": line("ssh-rsa", mpint(65537), string(b"\x80" + b"\x01" * 255)),
    "rsa padded modulus": line("ssh-rsa", mpint(65537), string(b"\0\0\x80" + b"\x01" * 255)),
    "rsa zero modulus": line("ssh-rsa", mpint(65537), string(b"\0")),
    "rsa empty modulus": line("ssh-rsa", mpint(65537), string(b"")),
    "rsa even modulus": line("ssh-rsa", mpint(65537), mpint(RSA_N + 1)),
    "rsa endless modulus": line("ssh-rsa", mpint(65537), mpint((1 << 16400) + 1)),
    "rsa exponent 1": line("ssh-rsa", mpint(1), mpint(RSA_N)),
    "rsa even exponent": line("ssh-rsa", mpint(65536), mpint(RSA_N)),
    "rsa without modulus": line("ssh-rsa", mpint(65537)),
    "ecdsa of another curve": line("ecdsa-sha2-nistp256", string(b"nistp384"), string(P256)),
    "ecdsa compressed": line("ecdsa-sha2-nistp256", string(b"nistp256"), string(b"\x02" + P256[1:33])),
    "ecdsa at infinity": line("ecdsa-sha2-nistp256", string(b"nistp256"), string(b"\0")),
    "ecdsa long": line("ecdsa-sha2-nistp256", string(b"nistp256"), string(P256 + b"x")),
    "ecdsa short": line("ecdsa-sha2-nistp384", string(b"nistp384"), string(P256)),
    "sk without application": line(SK, string(b"k" * 32)),
    "sk with an empty application": line(SK, string(b"k" * 32), string(b"")),
    "sk with more": line(SK, string(b"k" * 32), string(b"ssh:"), string(b"more")),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_line_that_is_not_one_whole_key_is_malformed(broken: str) -> None:
    with pytest.raises(MalformedKey):
        public_key.parse(BROKEN[broken])


@pytest.mark.parametrize(
    "forbidden",
    [keys.dsa_line(), keys.certificate_line(), line("ssh-unknown", b"x").decode()],
    ids=["dsa", "certificate", "unknown"],
)
def test_dsa_keys_certificates_and_unknown_types_are_never_allowed(forbidden: str) -> None:
    key = public_key.parse(forbidden.encode())
    everything = KeyPolicy(types=frozenset([key.key_type, *public_key.SUPPORTED_TYPES]))
    with pytest.raises(public_key.ForbiddenType):
        everything.verify(key)


def test_key_type_that_the_site_does_not_list_is_forbidden() -> None:
    with pytest.raises(public_key.ForbiddenType):
        KeyPolicy(types=frozenset(["ssh-rsa"])).verify(public_key.parse(WHOLE["ssh-ed25519"]))


@pytest.mark.parametrize(("bits", "least", "allowed"), [(2047, 2048, False), (2048, 2048, True), (2048, 3072, False)])
def test_rsa_key_below_the_minimum_length_is_too_short(bits: int, least: int, allowed: bool) -> None:
    key = public_key.parse(line("ssh-rsa", mpint(65537), mpint((1 << (bits - 1)) + 1)))
    assert key.bits == bits
    if allowed:
        KeyPolicy(min_rsa_bits=least).verify(key)
    else:
        with pytest.raises(public_key.TooShort):
            KeyPolicy(min_rsa_bits=least).verify(key)


@pytest.mark.parametrize("fingerprint", ["", "SHA256:", "MD5:", "SHA256:AAAA", "sha256:x", "x"])
def test_invalid_fingerprint_matches_no_key(fingerprint: str) -> None:
    assert not public_key.parse(WHOLE["ssh-ed25519"]).has_fingerprint(fingerprint)


@given(st.binary(max_size=400))
def test_key_parser_raises_only_malformed_key_for_any_bytes(raw: bytes) -> None:
    try:
        public_key.parse(raw)
    except MalformedKey:
        return


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_altered_key_is_refused_or_is_a_whole_key(key_type: str, data: st.DataObject) -> None:
    blob = bytearray(base64.b64decode(WHOLE[key_type].split()[1]))
    for _ in range(data.draw(st.integers(1, 3))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(blob)))
    mangled = key_type.encode() + b" " + base64.b64encode(bytes(blob[:cut]))
    try:
        key = public_key.parse(mangled)
        KeyPolicy().verify(key)
    except (MalformedKey, public_key.ForbiddenType, public_key.TooShort):
        return
    # What is allowed is of the type it says, and comes out as it went in. Only the name of an application and a modulus
    # may have another length.
    assert (key.key_type, key.blob) == (key_type, bytes(blob[:cut]))
    assert cut == len(blob) or key_type.startswith(("sk-", "ssh-rsa"))
    assert public_key.parse(key.authorized_keys_line.encode()) == key


# Each bound, to the bit and the byte.


@pytest.mark.parametrize(
    ("whole", "is_key"),
    [
        (line("ssh-rsa", mpint(65537), mpint((1 << 16383) + 1)), True),
        (line("ssh-rsa", mpint(65537), mpint((1 << 16384) + 1)), False),
        (line("ssh-rsa", mpint(3), mpint(RSA_N)), True),
        (line("ssh-rsa", mpint(65537), string(b"\0\x7f" + b"\x01" * 256)), False),
        (line("ssh-rsa", mpint(65537), string(b"\0\x81" + b"\x01" * 255)), True),
        (line("ecdsa-sha2-nistp256", string(b"nistp256"), string(b"\x02" + P256[1:])), False),
        (line("ecdsa-sha2-nistp256", string(b"nistp256"), string(b"\x05" + P256[1:])), False),
        (line("x", comment=""), True),
        (line("x" * 64, comment=""), True),
        (line("x" * 65, comment=""), False),
        (line("x,y", comment=""), False),
        (line("", comment=""), False),
        # A type as long as the blob says it is not.
        (b"x " + base64.b64encode(b"\0\0\0\2x"), False),
        (b"x " + base64.b64encode(string(b"x")), True),
    ],
)
def test_key_parser_accepts_each_bound_and_nothing_beyond(whole: bytes, is_key: bool) -> None:
    if is_key:
        public_key.parse(whole)
    else:
        with pytest.raises(MalformedKey):
            public_key.parse(whole)


def test_only_rsa_keys_have_a_length_in_bits() -> None:
    lengths = {key_type: public_key.parse(text).bits for key_type, text in WHOLE.items()}
    assert lengths == {key_type: 2048 if key_type == "ssh-rsa" else 0 for key_type in WHOLE}
    assert public_key.PublicKey("ssh-dss", b"").bits == 0


def test_default_policy_requires_rsa_keys_of_2048_bits() -> None:
    assert KeyPolicy().min_rsa_bits == 2048
