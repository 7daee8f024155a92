# SPDX-License-Identifier: Apache-2.0
"""What an administrator is told when a site has changed since it was enabled."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List

import pytest

from eic_sshd.config import loader
from eic_sshd.diagnose.installation import problems, warnings
from eic_sshd.sshd.drop_in import PLAIN
from testbed import private_host

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")


def standing(machine: Machine) -> List[str]:
    return list(problems(machine.site, loader.load(machine.site.our_config)))


def test_all_is_well_after_enabling(machine: Machine) -> None:
    assert standing(machine) == ["sshd does not ask eic-sshd: `eic-sshd enable` says why, or has it ask"]
    machine.enable()
    assert standing(machine) == []
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    assert standing(machine) == []


def test_a_site_that_has_changed_since_is_told_what_does_not_fit_any_more(machine: Machine) -> None:
    machine.enable()
    machine.sshd_config(INCLUDE + OTHER)
    assert "`eic-sshd enable --chain` has" in standing(machine)[0]
    assert "`eic-sshd enable --replace` has" in standing(machine)[0]
    machine.enable(chain=True)
    machine.sshd_config(INCLUDE + OTHER.replace("true", "false"))
    assert "and /usr/bin/true %u in its place: `eic-sshd enable` has it run" in standing(machine)[0]
    machine.sshd_config(INCLUDE)
    assert "which sshd's configuration has no more: `eic-sshd enable` ends that" in standing(machine)[0]
    machine.sshd_config(INCLUDE + OTHER)
    Path(machine.site.our_config).chmod(0o640)
    assert "sshd runs eic-sshd as nobody, for whom its configuration is invalid" in standing(machine)[0]
    machine.sshd_config("NoSuchKeyword yes\n")
    assert "NoSuchKeyword" in standing(machine)[0]
    machine.write("etc/default/ssh", "SSHD_OPTS=-oAuthorizedKeysCommand=/x\n")
    assert "sshd is started with -o AuthorizedKeysCommand at" in standing(machine)[0]


def test_a_user_who_may_not_run_us_and_units_that_do_not_work_are_told_of(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(root: str, imds: str) -> Iterator[str]:
        yield f"nobody reaches {imds}"

    machine.enable()
    monkeypatch.setattr("eic_sshd.diagnose.services.problems", failed)
    assert standing(machine) == ["nobody reaches 169.254.169.254"]
    machine.front_door = str(machine.folder / "front-door")
    Path(machine.front_door).write_text("")
    assert f"{machine.front_door} may not be run" in standing(machine)[0]


def warned(machine: Machine) -> List[str]:
    return list(warnings(machine.site, loader.load(machine.site.our_config)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("PubkeyAuthentication no", "sshd_config:2: no key logs in, pushed or not, while PubkeyAuthentication is no"),
        (
            "AuthenticationMethods password",
            "sshd_config:2: no key logs in, pushed or not, by AuthenticationMethods pass",
        ),
        (
            "PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com",
            "sshd_config:2: PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com has none of the types",
        ),
        ("Match User bob\nPubkeyAuthentication no", "sshd_config:3: for `Match User bob` no key logs in"),
        ("Match all\nPubkeyAuthentication no", "sshd_config:3: no key logs in"),
        (
            "Match LocalPort 22\nAuthenticationMethods password",
            "sshd_config:3: for `Match LocalPort 22` no key logs in",
        ),
        ("Match User bob\nAuthorizedKeysCommand none", "for `Match User bob` sshd runs no command ("),
        (
            "Match User *\nAuthorizedKeysCommand /usr/bin/true\nAuthorizedKeysCommandUser nobody",
            "for `Match User *` sshd goes on running /usr/bin/true (",
        ),
    ],
)
def test_what_keeps_every_pushed_key_out_though_sshd_asks_is_a_warning(machine: Machine, text: str, says: str) -> None:
    machine.sshd_config(f"{INCLUDE}{text}\n")
    said = machine.enable()
    assert standing(machine) == []
    (warning,) = warned(machine)
    assert says in warning
    assert f"warning: {warning}" in said


@pytest.mark.parametrize(
    "text",
    [
        "PubkeyAuthentication yes",
        "AuthenticationMethods publickey,keyboard-interactive password",
        "PubkeyAcceptedAlgorithms rsa-sha2-256",
        "PubkeyAcceptedAlgorithms -ssh-ed25519",
        "PubkeyAcceptedAlgorithms -*",  # sshd then takes its default
        "Match User bob\nPasswordAuthentication no",
        "AllowUsers alice",
    ],
)
def test_what_leaves_pushed_keys_a_way_is_none(machine: Machine, text: str) -> None:
    machine.sshd_config(f"{INCLUDE}{text}\n")
    assert not any("warning" in sentence for sentence in machine.enable())
    assert warned(machine) == []


def test_the_types_of_our_own_configuration_are_what_counts(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}PubkeyAcceptedAlgorithms rsa-sha2-512\n")
    machine.write("eic-sshd/eic-sshd.conf", "[keys]\ntypes = ssh-ed25519\n")
    assert "types of [keys] types (ssh-ed25519)" in machine.enable()[-1]
    assert len(warned(machine)) == 1


@pytest.mark.parametrize("user", ["root", "%u", "nobody-of-that-name"])
@pytest.mark.parametrize("place", ["sshd_config", "sshd_config.d/10-site.conf"])
def test_a_line_of_the_sites_that_has_us_run_as_root_is_named_with_what_to_change(
    machine: Machine, user: str, place: str
) -> None:
    lines = f"AuthorizedKeysCommand {PLAIN.command}\nAuthorizedKeysCommandUser {user}\n"
    machine.write(place, f"{lines}{INCLUDE if place == 'sshd_config' else ''}")
    said = machine.refusal()
    assert said.startswith(f"{machine.folder}/{place}:2: sshd runs eic-sshd as AuthorizedKeysCommandUser {user}, which")
    assert "Change that line to `AuthorizedKeysCommandUser eic-sshd` and reload sshd" in said
    assert standing(machine) == [said]
    machine.write(place, f"{lines}{INCLUDE if place == 'sshd_config' else ''}".replace(user, "eic-sshd"))
    assert "by a line of your own" in machine.enable()[0]
    assert standing(machine) == []


def test_a_user_that_is_named_before_ours_is_what_enabling_corrects(machine: Machine) -> None:
    machine.enable()
    machine.write("sshd_config.d/10-site.conf", "AuthorizedKeysCommandUser root\n")
    (said,) = standing(machine)
    assert said.endswith("`eic-sshd enable` corrects it")
    machine.enable()
    assert standing(machine) == []


def test_a_chain_of_the_sites_own_is_none_that_enabling_would_end(machine: Machine) -> None:
    machine.enable()
    machine.write("eic-sshd/conf.d/70-mine.conf", "[chain]\ncommand = /usr/bin/true\n")
    assert standing(machine) == []


def test_a_chain_that_was_left_behind_is_ended_where_sshd_asks_by_the_sites_own_line(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    Path(machine.site.drop_in).unlink()
    machine.sshd_config(INCLUDE + PLAIN.text())
    (said,) = standing(machine)
    assert said.endswith("`eic-sshd enable` ends that")
    machine.enable()
    assert standing(machine) == []
