# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import List, Tuple, Type

import pytest

from eic_sshd.config import loader
from eic_sshd.config.schema import SECTIONS, Config, ImdsSettings, KeysSettings, build
from eic_sshd.config.section import Section
from eic_sshd.model.public_key import SUPPORTED_TYPES

from .files import problems, write


def test_every_setting_has_its_default_in_an_empty_file(tmp_path: Path) -> None:
    read = loader.load(write(tmp_path, ""))
    assert read == build({})
    assert read.imds == ImdsSettings(endpoint="http://169.254.169.254", request_timeout=1.0, deadline=3.0)
    assert (read.instance.require_ec2_hardware, read.instance.region) == (True, ())
    assert read.keys == KeysSettings(window=60, clock_skew=60, types=frozenset(SUPPORTED_TYPES), min_rsa_bits=2048)
    assert (read.trust.roots, read.trust.ca_file, read.trust.require_ocsp) == ("auto", None, True)
    assert read.service.idle_exit == 600
    assert (read.fallback.keys_file, read.fallback.when) == (None, "never")
    assert read.chain.command is None
    assert (read.log.destination, read.log.level) == ("journal", 6)


def test_the_configuration_has_each_section_under_its_name() -> None:
    assert Config._fields == tuple(section.name for section in SECTIONS)
    single = [section for section in SECTIONS if not section.repeats]
    assert [type(section) for _, section in build({}).sections()] == single
    both = build({'policy "b"': {}, 'policy "a"': {}})
    assert [header for header, _ in both.sections()][-3:] == ['policy "b"', 'policy "a"', "log"]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_and_setting_is_explained_in_sentences(section: Type[Section]) -> None:
    for text in (section.__doc__ or "", *(setting.help for setting in section.settings)):
        assert text.strip().endswith(".")
        assert text[:1].isupper()


GOOD: List[Tuple[str, str, str, object]] = [
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
    (problem,) = problems(path)
    assert problem.startswith(f"{path}:4: [{section}] {key} is invalid ({text[:2]!r}"[:-1])
    assert problem.endswith(".")


@pytest.mark.parametrize(
    ("section", "key", "text", "remedy"),
    [
        ("keys", "window", "soon", "Use a whole number from 1 to 3600 (seconds)."),
        ("imds", "deadline", "0", "Use a number from 0.1 to 30 (seconds)."),
        ("keys", "min_rsa_bits", "1", "Use a whole number from 1024 to 16384 (bits)."),
        ("trust", "require_ocsp", "maybe", "Use yes or no."),
        ("trust", "roots", "all", "Use one of: auto, system, amazon."),
        ("trust", "ca_file", "a\n b", "Use one line, and do not indent the line after it."),
        ("trust", "ca_file", "/\x01", "Remove the control characters."),
        ("instance", "region", "us-east-1 x", "Use the name of a region, such as us-east-1, in place of x."),
        ("chain", "command", "true", "It takes the absolute path of a program, and its arguments."),
        ("chain", "command", "/usr/lib/eic-sshd/authorized-keys %u", "Use another program than eic-sshd."),
    ],
)
def test_the_problem_with_a_value_says_what_to_write(
    tmp_path: Path, section: str, key: str, text: str, remedy: str
) -> None:
    path = write(tmp_path, f"[{section}]\n{key} = {text}\n")
    shown = "\n".join(line.strip() for line in text.split("\n"))
    assert problems(path)[0] == f"{path}:2: [{section}] {key} is invalid ({shown!r}). {remedy}"


def test_a_long_value_is_shown_in_part(tmp_path: Path) -> None:
    path = write(tmp_path, f"[trust]\nroots = {'x' * 10_000}\n")
    assert len(problems(path)[0]) < 1000
