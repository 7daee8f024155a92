# SPDX-License-Identifier: Apache-2.0
"""Which key `explain` is asked about; private keys are refused, and nothing of them is in a message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from eic_sshd.cli import build_parser, explain
from eic_sshd.cli._explain_key import fingerprint_of, may_be_private
from eic_sshd.host.errors import MachineError
from testbed import keys
from tools.documents import ROOT

RSA = rsa.generate_private_key(65537, 2048)
_BODY = "AAAAC3NzaC1lZDI1NTE5AAAAIH4vE0Y0XbWnYGFp"
PUTTY = f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n{_BODY}\nPrivate-MAC: 00ff\n"
PRIVATE: Dict[str, str] = {
    "pkcs1": RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(),
    "pkcs8": RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    "pkcs8 encrypted": RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode(),
    "sec1": ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    .decode(),
    "openssh": ed25519.Ed25519PrivateKey.generate()
    .private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    .decode(),
    "putty": PUTTY,
    "ssh.com": f'---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: "x"\n{_BODY}\n---- END ----\n',
    "ssh 1": f"SSH PRIVATE KEY FILE FORMAT 1.1\n\0{_BODY}",
}
PRIVATE["openssh after a public key"] = keys.ed25519_line() + "\n" + PRIVATE["openssh"]
PRIVATE["openssh without its frame"] = "\n".join(PRIVATE["openssh"].splitlines()[1:-1])
PRIVATE["putty after blank lines"] = "\n" * 1000 + PUTTY


def refusal(argument: str) -> str:
    with pytest.raises(MachineError) as caught:
        fingerprint_of(argument)
    return str(caught.value)


def has_part_of(text: str, private: str) -> List[str]:
    """The longer lines of `private` that are in `text`, whole or in part."""
    lines = [line for line in private.splitlines() if len(line) > 20 and "PRIVATE" not in line]
    return [line for line in lines if line[:16] in text or line[-16:] in text]


@pytest.mark.parametrize("kind", PRIVATE)
def test_private_key_in_a_file_is_refused_and_not_shown(tmp_path: Path, kind: str) -> None:
    (tmp_path / "id").write_text(PRIVATE[kind])
    message = refusal(str(tmp_path / "id"))
    assert "it is a private key" in message
    assert "Give its public key" in message
    assert has_part_of(message, PRIVATE[kind]) == []


@pytest.mark.parametrize("kind", PRIVATE)
def test_private_key_as_the_argument_itself_is_refused_and_not_shown(kind: str) -> None:
    message = refusal(PRIVATE[kind])
    assert message.startswith("the argument: it is a private key")
    assert has_part_of(message, PRIVATE[kind]) == []


@pytest.mark.parametrize("kind", ["openssh", "pkcs8", "pkcs1"])
def test_one_line_of_a_private_key_is_not_shown(kind: str) -> None:
    for line in PRIVATE[kind].splitlines():
        message = refusal(line)
        assert has_part_of(message, line) == []


def output(arguments: List[str], text: str = "") -> str:
    """What the whole command prints, which is to refuse the arguments: the parser's usage errors repeat arguments."""
    command = [sys.executable, "-m", "eic_sshd", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2, done
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["openssh", "pkcs8", "putty"])
def test_private_key_is_not_shown_by_the_command(kind: str) -> None:
    private = PRIVATE[kind]
    lines = [line for line in private.splitlines() if "-----" not in line]
    given = ["explain", "root", private]
    for arguments, text in (
        (["explain", "root", "-"], private),
        (given, ""),
        ([*given, "x"], ""),
        (["explain", "root", *private.split()], ""),
        (["explain", "root", *lines], ""),
        (["explain", *lines], ""),
        (lines, ""),
        (["explain", "root", f"SHA256:{''.join(lines)}"], ""),
    ):
        assert has_part_of(output(arguments, text), private) == []


@pytest.mark.parametrize("kind", ["openssh", "pkcs8", "pkcs1", "sec1", "openssh without its frame"])
@pytest.mark.parametrize(
    "before",
    [[], ["--caller", "arn:aws:iam::123456789012:user/x"], ["root", "--caller"], ["root", "--save"], ["--from"]],
)
def test_private_key_in_the_place_of_any_argument_is_refused_before_anything_is_made(
    kind: str, before: List[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for private in (PRIVATE[kind], *PRIVATE[kind].splitlines()[1:2], "".join(PRIVATE[kind].splitlines()[1:-1])):
        for options in ([], ["--json"], ["--config", private]):
            arguments = build_parser(["explain"]).parse_args(["explain", *options, *before, private])
            assert explain.explain(arguments) == 2
            printed = capsys.readouterr()
            assert printed.out == ""
            assert "it is a private key, or may be a line of one" in printed.err
            assert has_part_of(printed.err, private) == []


@pytest.mark.parametrize(
    "text",
    [
        "x" * 300,
        "Some.One" * 20,
        "arn:aws:iam::123456789012:user/Division/Subdivision/Product1234/Component/SomeOne",
        "/home/someone/cases/the/first/one/of/the/last/week",
        "ec2-user",
    ],
)
def test_user_caller_or_path_is_no_private_key(text: str) -> None:
    assert not may_be_private(text)


def test_path_whose_folder_exists_is_no_private_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Someone" / "Cases").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    path = f"Someone/Cases/{'TheFirstOneOfThisWeek' * 2}"
    assert not may_be_private(path)
    assert may_be_private(path.replace("Cases", "Case"))


def test_fingerprint_is_taken_as_it_is() -> None:
    for fingerprint in (keys.fingerprint(keys.ed25519_line()), "MD5:" + ":".join(["0a"] * 16)):
        assert fingerprint_of(fingerprint) == fingerprint


@pytest.mark.parametrize("kind", sorted(keys.every_type()))
def test_public_key_of_each_type_is_read_from_its_file(tmp_path: Path, kind: str) -> None:
    line = keys.every_type()[kind].decode()
    (tmp_path / "key.pub").write_text(f"# a comment\n\n{line}\n")
    assert fingerprint_of(str(tmp_path / "key.pub")) == keys.fingerprint(line)


def test_public_key_is_read_from_standard_input(ed25519: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from eic_sshd.cli._explain_key import fingerprint_of as f; print(f('-'))"],
        input=ed25519, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == keys.fingerprint(ed25519) + "\n"


SPKI = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
WRONG: Dict[str, str] = {
    "": "it has 0 lines with keys",
    f"{keys.ed25519_line()}\n{keys.ed25519_line()}": "it has 2 lines with keys",
    f"restrict {keys.ed25519_line()}": "it is not an OpenSSH public key",
    "ssh-ed25519 AAAA": "it is not an OpenSSH public key",
    "\ud800".encode("utf-8", "replace").decode(): "it is not an OpenSSH public key",
    keys.certificate_line(): "it is a certificate",
    "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n": "Run `ssh-keygen -i -f FILE`",
    SPKI: "Run `ssh-keygen -i -m PKCS8 -f FILE`",
    "x" * 70_000: "it is longer than 65536 bytes",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: WRONG[text][:40])
def test_file_that_has_not_one_public_key_is_refused_by_what_it_has(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    assert WRONG[text] in refusal(str(tmp_path / "key"))


@pytest.mark.parametrize("argument", ["SHA256:abc", "MD5:00", "SHA256:" + "a" * 44, "SHA256:\x1b[31m"])
def test_part_of_a_fingerprint_is_refused(argument: str) -> None:
    message = refusal(argument)
    assert message.startswith("the fingerprint: it is not a whole one")
    assert argument not in message


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "it is not a plain file" in refusal(str(tmp_path / "fifo"))
    assert "it is not a plain file" in refusal("/dev/zero")
    assert "No such file or directory" in refusal(str(tmp_path / "nothing"))
    assert "Is a directory" in refusal(str(tmp_path)) or "it is not a plain file" in refusal(str(tmp_path))
    assert "null" in refusal("a\0b")


def test_file_that_is_missing_is_named_unless_it_may_be_a_line_of_a_key(tmp_path: Path) -> None:
    missing = "/nowhere/keys/mykeyofthisyear: No such file or directory"
    assert refusal("/nowhere/keys/mykeyofthisyear").startswith(missing)
    assert refusal(str(tmp_path / "MyKeyOfThisYear")).startswith(f"{tmp_path}/MyKeyOfThisYear: No such file")
    assert refusal("MyKeyOfThisYear2").startswith(
        "the argument (not shown: it may be a line of a private key): No such"
    )
