# SPDX-License-Identifier: Apache-2.0
"""`enable` and `disable` on sites of every kind, with the real sshd as the judge of its configuration."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import List, Sequence

import pytest

from eic_sshd.setup import SshdNotListening
from eic_sshd.setup.disable import disable
from eic_sshd.setup.enable import enable, renew
from eic_sshd.setup.services import Services
from eic_sshd.sshd.drop_in import PLAIN
from eic_sshd.sshd.program import Sshd
from testbed import private_host
from tools.documents import ROOT

from .sites import INCLUDE, OTHER, Machine

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")


def test_the_packaged_example_is_what_enable_writes() -> None:
    assert (Path(ROOT) / "etc/60-eic-sshd.conf").read_text() == PLAIN.text()


def test_enable_configures_sshd_and_disable_restores_what_was_there(machine: Machine) -> None:
    before = machine.files()
    reports = machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert set(machine.files()) - set(before) == {"sshd_config.d/60-eic-sshd.conf"}
    assert reports[0] == f"wrote {machine.site.drop_in}"
    machine.disable()
    assert machine.files() == before
    assert machine.effective == ("none", "none")


def test_enable_and_disable_may_be_repeated(machine: Machine) -> None:
    machine.enable()
    enabled = machine.files()
    assert machine.enable()[0] == "sshd already runs eic-sshd"
    assert machine.files() == enabled
    machine.disable()
    assert machine.disable()[0] == "sshd's configuration does not name eic-sshd"


@pytest.mark.parametrize("chain", [False, True])
def test_a_dry_run_reports_and_changes_nothing(machine: Machine, chain: bool) -> None:
    machine.sshd_config(INCLUDE + (OTHER if chain else ""))
    machine.dry_run = True
    before = machine.files()
    assert f"would write {machine.site.drop_in}" in machine.enable(chain)
    assert machine.files() == before
    machine.dry_run = False
    machine.enable(chain)
    enabled = machine.files()
    machine.dry_run = True
    assert f"would remove {machine.site.drop_in}" in machine.disable()
    assert machine.files() == enabled


def test_an_invalid_sshd_configuration_is_refused(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + "NoSuchKeyword yes\n")
    message = machine.refusal()
    assert message.startswith(f"{machine.site.sshd.config}: sshd's configuration is invalid (")
    assert "NoSuchKeyword" in message


def test_disable_succeeds_where_sshd_neither_runs_nor_accepts_its_configuration(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    machine.sshd_config(INCLUDE + OTHER + "NoSuchKeyword yes\n")
    reports = machine.disable()
    assert any("invalid, as it was before" in report and "NoSuchKeyword" in report for report in reports)
    for path in (machine.site.drop_in, machine.site.chain_config, machine.site.socket_drop_in):
        assert not Path(path).exists()


def test_a_dry_run_refuses_what_would_be_refused(machine: Machine) -> None:
    machine.dry_run = True
    machine.sshd_config(OTHER + INCLUDE)
    assert "sshd_config:1: a line here precedes" in machine.refusal(chain=True)


def test_our_lines_precede_a_user_that_an_earlier_file_sets(machine: Machine) -> None:
    machine.write("sshd_config.d/10-site.conf", "AuthorizedKeysCommandUser nobody\n")
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert Path(machine.site.early_drop_in).exists()


@pytest.mark.parametrize("tampered", ["%f", "%u %f %U", "--socket none %u %f"])
def test_a_line_of_ours_that_was_changed_is_restored(machine: Machine, tampered: str) -> None:
    machine.enable()
    enabled = machine.files()
    drop_in = Path(machine.site.drop_in)
    drop_in.write_text(drop_in.read_text().replace("%u %f", tampered))
    machine.enable()
    assert machine.files() == enabled


def test_disable_refuses_while_a_line_elsewhere_runs_eic_sshd(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n{PLAIN.text()}")
    assert f"{machine.folder}/sshd_config:6: sshd runs eic-sshd by this line too" in machine.refusal(do=disable)


def test_sshd_tests_its_configuration_without_its_runtime_directory_which_is_then_there(machine: Machine) -> None:
    os.rmdir("/run/sshd")
    assert machine.site.sshd.config_problem() is None
    assert os.path.isdir("/run/sshd")


def test_sshd_tests_its_configuration_without_host_keys(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}HostKey {machine.folder}/none_such\n")
    assert machine.site.config_problem() is None
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")


def test_a_program_that_is_missing_or_unsafe_or_cannot_be_run_is_refused(machine: Machine) -> None:
    folder = machine.folder / "lib"
    folder.mkdir()
    command = folder / "authorized-keys"

    def refusal() -> str:
        site = machine.site._replace(client_command=str(command))
        return machine.refusal(do=lambda target: enable(target._replace(site=site)))

    assert f"{command}: it does not exist. Run `" in refusal()
    command.write_text("#!/bin/sh\n")
    assert f"{command} is not readable and executable for eic-sshd" in refusal()
    command.chmod(0o755)
    for mode, who in ((0o777, "others"), (0o775, "its group")):
        folder.chmod(mode)
        # Debian's sshd takes the second.
        problem = f"{folder}: folder writable by {who} (mode {mode:04o})"
        unsafe = f"{command}: it is not safe to run, whether or not this sshd accepts it ({problem})"
        assert refusal() == f"{unsafe}. Run `chmod go-w {folder}`."
    folder.chmod(0o700)
    assert f"{command} is not readable and executable for eic-sshd" in refusal()


def test_daemon_and_sshd_are_reloaded_and_an_sshd_that_does_not_listen_is_reported(machine: Machine) -> None:
    asked: List[str] = []

    class Noting(Services):
        def reload_sshd(self, sshds: Sequence[Sshd]) -> None:
            self.reload_sent = True
            asked.append("reload sshd")

        def reload_daemon(self) -> None:
            asked.append("reload service")

        def require_sshd_listening(self) -> None:
            raise SshdNotListening("sshd", "it is not back")

    machine.services = Noting
    machine.sshd_config(INCLUDE + OTHER)
    machine.write("eic-sshd/conf.d/10-fast.conf", "[imds]\ndeadline = 0.1\n")
    with pytest.raises(SshdNotListening, match="not back"):
        machine.enable(chain=True)
    assert asked == ["reload service", "reload sshd"]
    begun = time.monotonic()
    with pytest.raises(SshdNotListening, match="not back"):
        machine.disable()
    assert asked[2:] == ["reload sshd"]
    assert "waiting for pending logins" in machine.reports
    assert time.monotonic() - begun > 1.0


def test_disable_warns_where_no_key_logs_in_without_eic_sshd(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + "AuthorizedKeysFile none\n")
    machine.enable()
    assert machine.disable()[0] == "sshd has `AuthorizedKeysFile none`, so without eic-sshd no key logs in"


def test_disable_refuses_where_sshd_rejects_its_configuration_without_our_lines(machine: Machine) -> None:
    machine.enable()
    machine.sshd_config(INCLUDE + "AuthorizedKeysCommand /usr/bin/true\n")  # without a user to run it
    assert "sshd's configuration is invalid without eic-sshd's lines (" in machine.refusal(do=disable)


OLDER = PLAIN.text().replace(" --token U=%U", "")


@pytest.mark.parametrize("name", ["60-eic-sshd.conf", "00-eic-sshd.conf"])
def test_renew_replaces_the_line_of_an_older_version(machine: Machine, name: str) -> None:
    machine.write(f"sshd_config.d/{name}", OLDER)
    renew(machine.target)
    assert machine.effective == (PLAIN.command, PLAIN.user)
    assert any("uid" in text for text in machine.warnings()) is False
    before = machine.files()
    renew(machine.target)
    assert machine.files() == before


def test_renew_keeps_a_site_that_is_disabled_or_has_a_line_of_its_own(machine: Machine) -> None:
    for text in (INCLUDE, INCLUDE + OTHER, INCLUDE + OLDER):
        machine.sshd_config(text)
        before = machine.files()
        renew(machine.target)
        assert machine.files() == before
    changed = OLDER.replace("%u %f", "--config /etc/other.conf %u %f")
    machine.sshd_config(INCLUDE)
    machine.write("sshd_config.d/60-eic-sshd.conf", changed)
    before = machine.files()
    renew(machine.target)
    assert machine.files() == before


def test_renew_keeps_a_chained_command_and_its_tokens(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}AuthorizedKeysCommand /usr/bin/true %h\nAuthorizedKeysCommandUser nobody\n")
    machine.enable(chain=True)
    drop_in = next((machine.folder / "sshd_config.d").iterdir())
    drop_in.write_text(drop_in.read_text().replace(" --token U=%U", ""))
    assert machine.effective[0].endswith("authorized-keys --token h=%h %u %f")
    renew(machine.target)
    assert machine.effective[0].endswith("authorized-keys --token U=%U --token h=%h %u %f")


def test_line_without_the_uid_is_a_warning_where_there_is_a_policy(machine: Machine) -> None:
    machine.enable()
    drop_in = next((machine.folder / "sshd_config.d").iterdir())
    drop_in.write_text(OLDER)
    assert not any("uid" in text for text in machine.warnings())
    policy = '[policy "a"]\ncallers = arn:aws:iam::123456789012:user/a\nos_users = a\n'
    machine.write("eic-sshd/eic-sshd.conf", policy)
    assert any("does not pass the uid" in text for text in machine.warnings())
    drop_in.write_text(PLAIN.text())
    assert not any("uid" in text for text in machine.warnings())
