# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

import pytest

from eic_sshd.config import loader
from eic_sshd.config.loader import ConfigError
from eic_sshd.config.schema import SETTINGS, build
from eic_sshd.model.public_key import SUPPORTED_TYPES


def write(folder: Path, text: str, name: str = "eic-sshd.conf") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def problem(path: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    return str(caught.value)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    read = loader.load(write(tmp_path, ""))
    assert read == build({})
    assert read.imds == ("http://169.254.169.254", 1.0, 3.0)
    assert read.instance.require_ec2_hardware
    assert read.keys == (60, 60, frozenset(SUPPORTED_TYPES), 2048)
    assert read.trust == ("auto", None, True)
    assert read.service == (600,)
    assert read.fallback == (None, "never")
    assert read.log == ("journal", 6)


def test_the_packaged_file_reads_and_changes_nothing(tmp_path: Path) -> None:
    assert loader.load(write(tmp_path, loader.commented_file())) == build({})


def test_the_packaged_file_names_every_key_with_its_default(tmp_path: Path) -> None:
    uncommented = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line
        for line in loader.commented_file().splitlines()
    )
    assert loader.load(write(tmp_path, uncommented)) == build({})
    assert all(f"\n{setting.key} =" in uncommented for setting in SETTINGS)


GOOD: list[tuple[str, str, str, Any]] = [
    ("imds", "endpoint", "http://[fd00:ec2::254]", "http://[fd00:ec2::254]"),
    ("imds", "endpoint", "http://127.0.0.1:1338/", "http://127.0.0.1:1338"),
    ("imds", "request_timeout", "0.5", 0.5),
    ("imds", "deadline", "5", 5.0),
    ("instance", "require_ec2_hardware", "No", False),
    ("instance", "region", "us-east-1", ("us-east-1",)),
    ("instance", "region", "us-east-1  eusc-de-east-1\n  us-east-1", ("us-east-1", "eusc-de-east-1")),
    ("instance", "region", "", ()),
    ("keys", "window", "120", 120),
    ("keys", "clock_skew", "0", 0),
    ("keys", "types", "ssh-ed25519, ssh-rsa", frozenset(["ssh-ed25519", "ssh-rsa"])),
    ("keys", "types", "ssh-ed25519\n  ssh-rsa", frozenset(["ssh-ed25519", "ssh-rsa"])),
    ("keys", "min_rsa_bits", "3072", 3072),
    ("trust", "roots", "system", "system"),
    ("trust", "ca_file", "/etc/ca.pem", "/etc/ca.pem"),
    ("trust", "require_ocsp", "off", False),
    ("fallback", "keys_file", "/etc/keys/%u", "/etc/keys/%u"),
    ("fallback", "when", "no-key", "no-key"),
    ("log", "destination", "/var/log/eic", "/var/log/eic"),
    ("log", "level", "warning", 4),
]


@pytest.mark.parametrize(("section", "key", "text", "value"), GOOD)
def test_every_setting_can_be_set(tmp_path: Path, section: str, key: str, text: str, value: object) -> None:
    read = loader.load(write(tmp_path, f"[{section}]\n{key} = {text}\n"))
    assert getattr(getattr(read, section), key) == value


BAD = [
    ("imds", "endpoint", "https://169.254.169.254"),
    ("imds", "endpoint", "169.254.169.254"),
    ("imds", "endpoint", "http://user@169.254.169.254"),
    ("imds", "endpoint", "http://169.254.169.254/latest"),
    ("imds", "endpoint", "http://169.254.169.254:99999"),
    ("imds", "endpoint", "http://169.254.169.254?x"),
    ("imds", "endpoint", "http://[::1"),
    ("imds", "request_timeout", "0"),
    ("imds", "request_timeout", "inf"),
    ("imds", "request_timeout", "nan"),
    ("imds", "deadline", "-1"),
    ("imds", "deadline", "1000"),
    ("instance", "require_ec2_hardware", "maybe"),
    ("instance", "region", "us-east-1a"),
    ("instance", "region", "us-east-1,us-west-2"),
    ("instance", "region", "*"),
    ("keys", "window", "1.5"),
    ("keys", "window", "99999"),
    ("keys", "clock_skew", "sixty"),
    ("keys", "types", ""),
    ("keys", "types", "ssh-dss"),
    ("keys", "types", "ssh-ed25519-cert-v01@openssh.com"),
    ("keys", "min_rsa_bits", "512"),
    ("trust", "roots", "all"),
    ("trust", "ca_file", "relative.pem"),
    ("fallback", "keys_file", "/etc/keys/all"),
    ("fallback", "keys_file", "/etc/keys/%h/%u"),
    ("fallback", "when", "always"),
    ("log", "destination", "file"),
    ("log", "destination", "/var/log/"),
    ("log", "level", "loud"),
    ("log", "destination", "/var/log/eic\n  level = err"),
    ("trust", "ca_file", "/etc/ca\x01.pem"),
]


@pytest.mark.parametrize(("section", "key", "text"), BAD)
def test_a_bad_value_is_named_with_file_and_line(tmp_path: Path, section: str, key: str, text: str) -> None:
    path = write(tmp_path, f"# a comment\n[{section}]\n\n{key} = {text}\n")
    assert problem(path).startswith(f"{path}:4: [{section}] {key} = ")


@pytest.mark.parametrize(("spoilt", "kept"), [("keys", False), ("fallback", False), ("imds", True)])
def test_the_fallback_is_salvaged_only_with_the_policy_for_its_keys(tmp_path: Path, spoilt: str, kept: bool) -> None:
    sections = {"keys": "min_rsa_bits = 4096\n", "fallback": "keys_file = /k/%u\nwhen = no-key\n", "imds": ""}
    sections[spoilt] += "windwo = 5\n"
    path = write(tmp_path, "".join(f"[{name}]\n{text}" for name, text in sections.items()))
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    assert (caught.value.salvaged.fallback.when == "no-key") == kept
    assert not kept or caught.value.salvaged.keys.min_rsa_bits == 4096


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[keys]\nwindwo = 60\n", 2, "unknown key windwo in [keys]"),
        ("[keys]\n\n[kyes]\n", 3, "unknown section [kyes]"),
        ("[keys]\nwindow = 60\nwindow = 61\n", 3, "window is set twice"),
        ("[keys]\n[imds]\n[keys]\n", 3, "section [keys] begins twice"),
        ("window = 60\n", 1, "before the first [section]"),
        ("[keys]\nwindow 60\n", 2, "not `key = value`"),
        ("[DEFAULT]\nwindow = 60\n", 1, "unknown section [DEFAULT]"),
    ],
)
def test_a_file_that_does_not_read_is_named_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = write(tmp_path, text)
    said = problem(path)
    assert said.startswith(f"{path}:{line}: ")
    assert says in said


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "[keys]\nwindow = x\n")
    write(tmp_path, "[imds]\ndeadline = x\n", "conf.d/a.conf")
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    assert len(caught.value.problems) == 2


def test_drop_ins_come_on_top_in_name_order(tmp_path: Path) -> None:
    path = write(tmp_path, "[keys]\nwindow = 10\nclock_skew = 10\n")
    write(tmp_path, "[keys]\nwindow = 30\n", "conf.d/20.conf")
    write(tmp_path, "[keys]\nwindow = 20\n", "conf.d/10.conf")
    for ignored in ("conf.d/30.conf.bak", "conf.d/.40.conf", "conf.d/README"):
        write(tmp_path, "nonsense", ignored)
    assert loader.load(path).keys[:2] == (30, 10)


def test_a_bad_drop_in_spoils_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    drop_in = write(tmp_path, "[keys]\nwindow = 0\n", "conf.d/10.conf")
    assert problem(path).startswith(f"{drop_in}:2: ")


def test_sections_without_a_fault_are_salvaged(tmp_path: Path) -> None:
    path = write(tmp_path, "[log]\ndestination = /var/log/x\n[keys]\nwindow = 10\nclock_skew = x\n")
    with pytest.raises(ConfigError) as caught:
        loader.load(path)
    assert caught.value.salvaged.log.destination == "/var/log/x"
    assert caught.value.salvaged.keys == build({}).keys


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.conf")
    assert problem(missing) == f"{missing}: there is no such file"
    assert loader.load(missing, missing_ok=True) == build({})


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, "")
    os.chmod(path, mode)
    assert f"(mode {mode:04o}). Run `chmod go-w {path}`" in problem(path)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o1773])
@pytest.mark.parametrize("drop_in", ["10.conf", None])
def test_a_folder_that_others_can_write_is_not_believed_though_nothing_is_in_it(
    tmp_path: Path, mode: int, drop_in: Optional[str]
) -> None:
    """A file that denies logins may have been removed from it."""
    path = write(tmp_path, "")
    (tmp_path / "conf.d").mkdir()
    if drop_in:
        write(tmp_path / "conf.d", "", drop_in)
    os.chmod(tmp_path / "conf.d", mode)
    assert f"{tmp_path}/conf.d: folder writable by" in problem(path)


def test_a_missing_file_in_a_folder_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc").chmod(0o1777)
    with pytest.raises(ConfigError, match="etc: folder writable by others"):
        loader.load(str(tmp_path / "etc/eic-sshd.conf"), missing_ok=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    os.chown(path, 12345, 12345)
    assert "owned by uid 12345, not by root. Run `chown root" in problem(path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_neither_hangs_nor_reads(tmp_path: Path, make: Any) -> None:
    path = str(tmp_path / "eic-sshd.conf")
    make(path)
    assert path in problem(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[keys]\nwindow = \0\n", b"[", b"#" * 300_000, b"[keys\n", b"=\n"])
def test_bytes_that_are_no_configuration_are_said_plainly(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "eic-sshd.conf"
    path.write_bytes(content)
    assert str(path) in problem(str(path))
