# SPDX-License-Identifier: Apache-2.0
"""`enable` and `disable` on sites of every kind, with the real sshd as the judge of its configuration."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple

import pytest

from docs.generate import ROOT
from eic_sshd import config
from eic_sshd.cli._administering import administering
from eic_sshd.enabling import Refused, Unfinished
from eic_sshd.enabling.changes import Changes
from eic_sshd.enabling.disable import disable
from eic_sshd.enabling.drop_in import PLAIN, others_in
from eic_sshd.enabling.enable import enable
from eic_sshd.enabling.site import Site
from eic_sshd.enabling.sshd import Sshd
from eic_sshd.enabling.standing import problems
from eic_sshd.enabling.units import Units
from eic_sshd.sandbox import private_host
from eic_sshd.sshd_command import FRONT_DOOR

pytestmark = pytest.mark.skipif(not private_host.is_inside(), reason="only root can enable (needs root)")

INCLUDE = "Include {folder}/sshd_config.d/*.conf\n"
OTHER = "AuthorizedKeysCommand /usr/bin/true %u\nAuthorizedKeysCommandUser nobody\n"


class Machine:
    """A site in `folder`: sshd_config, its drop-ins, eic-sshd.conf, units; and what its administrator is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: List[str] = []
        self.dry_run = False
        for name in ("sshd_config.d", "eic-sshd/conf.d"):
            (folder / name).mkdir(parents=True)
        self.write("eic-sshd/eic-sshd.conf", "")
        self.sshd_config(INCLUDE)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{folder}", str(self.folder)))

    def sshd_config(self, text: str) -> None:
        self.write("sshd_config", text)

    @property
    def site(self) -> Site:
        return Site(
            sshd=Sshd(config=str(self.folder / "sshd_config")),
            units=Units(self.told.append, self.dry_run, str(self.folder)),
            say=self.told.append,
            dry_run=self.dry_run,
            sshd_drop_ins=str(self.folder / "sshd_config.d"),
            our_config=str(self.folder / "eic-sshd/eic-sshd.conf"),
            socket_drop_in=str(self.folder / "etc/systemd/system/eic-sshd.socket.d/60-chain.conf"),
            front_door="/usr/bin/true",
        )

    def enable(self, chain: bool = False) -> List[str]:
        """What its administrator is told."""
        self.told.clear()
        enable(self.site, chain)
        return list(self.told)

    def disable(self) -> List[str]:
        self.told.clear()
        disable(self.site)
        return list(self.told)

    def refusal(self, chain: bool = False, do: Optional[Callable[[Site], None]] = None) -> str:
        """What is said when it refuses; whatever that is, nothing is changed."""
        before = self.files()
        with pytest.raises(Refused) as refused:
            do(self.site) if do else enable(self.site, chain)
        assert self.files() == before
        return str(refused.value)

    def files(self) -> Dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        }

    @property
    def effective(self) -> Tuple[str, str]:
        found = self.site.sshd.effective()
        return found["authorizedkeyscommand"], found["authorizedkeyscommanduser"]


@pytest.fixture
def machine() -> Machine:
    # In a folder of root's alone: what decides who may log in is not read from anywhere else.
    folder = Path(private_host.HOME) / "sites" / os.urandom(4).hex()
    folder.mkdir(parents=True)
    return Machine(folder)


def test_the_packaged_example_is_what_enable_writes() -> None:
    assert (Path(ROOT) / "etc/60-eic-sshd.conf").read_text() == PLAIN.text()


def test_enabling_has_sshd_ask_and_disabling_gives_back_what_was_there(machine: Machine) -> None:
    before = machine.files()
    said = machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert set(machine.files()) - set(before) == {"sshd_config.d/60-eic-sshd.conf"}
    assert said[0] == f"wrote {machine.site.drop_in}"
    machine.disable()
    assert machine.files() == before
    assert machine.effective == ("none", "none")


def test_both_may_be_done_again(machine: Machine) -> None:
    machine.enable()
    enabled = machine.files()
    assert machine.enable()[0] == "sshd asks eic-sshd already"
    assert machine.files() == enabled
    machine.disable()
    assert machine.disable()[0] == "sshd's configuration does not name eic-sshd"


@pytest.mark.parametrize("chain", [False, True])
def test_a_dry_run_says_and_does_nothing(machine: Machine, chain: bool) -> None:
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


def test_a_broken_configuration_is_left_as_it_is(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + "NoSuchKeyword yes\n")
    said = machine.refusal()
    assert "left as it is" in said
    assert "NoSuchKeyword" in said


def test_disabling_goes_on_where_sshd_does_not_read_its_configuration(machine: Machine) -> None:
    machine.enable()
    machine.sshd_config(INCLUDE + "NoSuchKeyword yes\n")
    with pytest.raises(Unfinished, match=r"as it was before.*run `eic-sshd disable` once more"):
        machine.disable()
    assert not Path(machine.site.drop_in).exists()


def test_an_sshd_that_cannot_be_told_keeps_its_chained_command(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    machine.sshd_config(INCLUDE + OTHER + "NoSuchKeyword yes\n")
    with pytest.raises(Unfinished):
        machine.disable()
    assert Path(machine.site.chain_config).exists()
    machine.sshd_config(INCLUDE + OTHER)
    machine.disable()
    assert not Path(machine.site.chain_config).exists()


def test_without_an_include_the_line_to_add_is_named(machine: Machine) -> None:
    machine.sshd_config("PermitRootLogin no\n")
    include = f"Include {machine.folder}/sshd_config.d/*.conf"
    assert machine.refusal().endswith(f"add this as its first line: {include}")
    machine.sshd_config(f"{include}\nPermitRootLogin no\n")
    machine.enable()


@pytest.mark.parametrize("include", ['INCLUDE="{folder}/sshd_config.d/*.conf"', INCLUDE])
def test_an_include_counts_however_it_is_written(machine: Machine, include: str) -> None:
    machine.sshd_config(f"{include}\n")
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")


def test_an_include_within_a_match_block_is_no_include(machine: Machine) -> None:
    machine.sshd_config(f"PermitRootLogin no\nMatch User bob\n    {INCLUDE}")
    assert f"{machine.folder}/sshd_config:3 includes" in machine.refusal()


OTHERS = {
    "in sshd_config": ("sshd_config", INCLUDE + OTHER, "60-eic-sshd.conf"),
    "before the include": ("sshd_config", OTHER + INCLUDE, None),
    "in an earlier drop-in": ("sshd_config.d/10-site.conf", OTHER, "00-eic-sshd.conf"),
    "in a later drop-in": ("sshd_config.d/90-site.conf", OTHER, "60-eic-sshd.conf"),
}


@pytest.mark.parametrize("where", OTHERS)
def test_another_command_is_never_replaced(machine: Machine, where: str) -> None:
    file, text, _ = OTHERS[where]
    machine.write(file, text)
    said = machine.refusal()
    assert "/usr/bin/true %u" in said
    assert f"{machine.folder}/{file}:" in said
    assert "`eic-sshd enable --chain`" in said
    assert machine.effective == ("/usr/bin/true %u", "nobody")


def test_a_dry_run_refuses_what_would_be_refused(machine: Machine) -> None:
    machine.dry_run = True
    machine.sshd_config(OTHER + INCLUDE)
    assert "sshd_config:1 comes before it" in machine.refusal(chain=True)


def test_a_user_that_is_named_earlier_is_gone_before(machine: Machine) -> None:
    machine.write("sshd_config.d/10-site.conf", "AuthorizedKeysCommandUser nobody\n")
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert Path(machine.site.early_drop_in).exists()


@pytest.mark.parametrize("where", OTHERS)
def test_chaining_goes_before_it_as_its_own_user_and_gives_it_back(machine: Machine, where: str) -> None:
    file, text, drop_in = OTHERS[where]
    machine.write(file, text)
    if drop_in is None:
        assert f"{machine.folder}/sshd_config:1 comes before it" in machine.refusal(chain=True)
        return
    before = machine.files()
    machine.enable(chain=True)
    assert machine.effective == (PLAIN.command, "nobody")
    assert set(machine.files()) - set(before) == {
        f"sshd_config.d/{drop_in}",
        "eic-sshd/conf.d/60-chain.conf",
        "etc/systemd/system/eic-sshd.socket.d/60-chain.conf",
    }
    assert config.load(machine.site.our_config).chain.command == "/usr/bin/true %u"
    assert "\nSocketUser=nobody\n" in Path(machine.site.socket_drop_in).read_text()
    chained = machine.files()
    for again in (False, True):
        assert machine.enable(chain=again)[0] == "sshd asks eic-sshd already"
    assert machine.files() == chained
    machine.disable()
    assert machine.files() == before
    assert machine.effective == ("/usr/bin/true %u", "nobody")


def test_what_only_sshd_knows_is_asked_of_it(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}AuthorizedKeysCommand /usr/bin/true %k --home=%h %u %f 100%%\n"
                        "AuthorizedKeysCommandUser nobody\n")  # fmt: skip
    machine.enable(chain=True)
    assert machine.effective[0] == f"{FRONT_DOOR} --token h=%h --token k=%k %u %f"


@pytest.mark.parametrize(
    ("command", "user", "says"),
    [
        ("/usr/bin/true", "root", "must be a single existing user other than root"),
        ("/usr/bin/true", "%u", "must be a single existing user other than root"),
        ("/usr/bin/true", "nobody-of-that-name", "must be a single existing user other than root"),
        ("/usr/bin/true a\\ b", "nobody", "a backslash"),
        ("/no/such/program", "nobody", "No such file"),
        ("{folder}/theirs", "nobody", "writable by others"),
    ],
)
def test_what_cannot_be_chained_as_it_is_is_refused_with_the_reason(
    machine: Machine, command: str, user: str, says: str
) -> None:
    machine.write("theirs", "#!/bin/sh\n")
    (machine.folder / "theirs").chmod(0o777)
    machine.sshd_config(f"{INCLUDE}AuthorizedKeysCommand {command}\nAuthorizedKeysCommandUser {user}\n")
    said = machine.refusal(chain=True)
    assert "can't be chained" in said
    assert says in said


def test_a_command_added_after_enabling_is_told_of_and_can_be_chained(machine: Machine) -> None:
    machine.enable()
    machine.sshd_config(INCLUDE + OTHER)
    assert any("sshd does not run /usr/bin/true %u" in sentence for sentence in machine.enable())
    machine.enable(chain=True)
    assert config.load(machine.site.our_config).chain.command == "/usr/bin/true %u"
    assert machine.effective == (PLAIN.command, "nobody")


@pytest.mark.parametrize("where", ["in sshd_config", "in an earlier drop-in"])
@pytest.mark.parametrize("again", [False, True])
def test_a_chained_command_that_changes_is_chained_anew(machine: Machine, where: str, again: bool) -> None:
    file, text, _ = OTHERS[where]
    machine.write(file, text)
    machine.enable(chain=True)
    machine.write(file, text.replace("/usr/bin/true %u", "/usr/bin/true %h"))
    machine.enable(chain=again)
    assert config.load(machine.site.our_config).chain.command == "/usr/bin/true %h"
    assert machine.effective == (f"{FRONT_DOOR} --token h=%h %u %f", "nobody")
    machine.disable()
    assert machine.effective == ("/usr/bin/true %h", "nobody")


def test_quotes_and_comments_are_sshds_not_the_users(machine: Machine) -> None:
    machine.sshd_config(f'{INCLUDE}AuthorizedKeysCommand /usr/bin/true\nAuthorizedKeysCommandUser "nobody" # why\n')
    for _ in range(2):
        machine.enable(chain=True)
        assert machine.effective == (PLAIN.command, "nobody")


def test_lines_of_ours_under_a_match_are_not_made_to_count_everywhere(machine: Machine) -> None:
    machine.write("sshd_config.d/60-eic-sshd.conf", f"Match User bob\n{PLAIN.text()}")
    assert "60-eic-sshd.conf:5 has sshd ask eic-sshd for `Match User bob` only" in machine.refusal()


def test_another_file_that_sets_a_chained_command_is_named(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.write("eic-sshd/conf.d/70-mine.conf", "[chain]\ncommand = /usr/bin/false\n")
    assert "conf.d/70-mine.conf:2 sets [chain] command as well: take" in machine.refusal(chain=True)


@pytest.mark.parametrize("again", [False, True])
def test_a_chained_command_that_the_site_gave_up_is_given_up(machine: Machine, again: bool) -> None:
    machine.write("sshd_config.d/10-site.conf", OTHER)
    machine.enable(chain=True)
    (machine.folder / "sshd_config.d/10-site.conf").unlink()
    before = machine.files()
    machine.enable(again)
    assert config.load(machine.site.our_config).chain.command is None
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert set(machine.files()) == (set(before) | {"sshd_config.d/60-eic-sshd.conf"}) - {
        "sshd_config.d/00-eic-sshd.conf",
        "eic-sshd/conf.d/60-chain.conf",
        "etc/systemd/system/eic-sshd.socket.d/60-chain.conf",
    }


@pytest.mark.parametrize("user", ["daemon", "eic-sshd"])
def test_a_user_that_changes_is_followed(machine: Machine, user: str) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    machine.sshd_config(INCLUDE + OTHER.replace("nobody", user))
    machine.enable()
    assert machine.effective == (PLAIN.command, user)
    drop_in = Path(machine.site.socket_drop_in)
    assert f"\nSocketUser={user}\n" in drop_in.read_text() if user == "daemon" else not drop_in.exists()


@pytest.mark.parametrize("tampered", ["%f", "%u %f %U", "--socket none %u %f"])
def test_a_line_of_ours_that_was_changed_is_written_anew(machine: Machine, tampered: str) -> None:
    machine.enable()
    enabled = machine.files()
    drop_in = Path(machine.site.drop_in)
    drop_in.write_text(drop_in.read_text().replace("%u %f", tampered))
    machine.enable()
    assert machine.files() == enabled


def test_one_who_put_us_in_place_by_hand_is_left_alone(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + PLAIN.text().replace("%u %f", "--config /x %u %f"))
    before = machine.files()
    assert "by a line of your own" in machine.enable()[0]
    assert "so nothing is chained" in machine.enable(chain=True)[1]
    assert machine.files() == before


def test_nothing_to_chain_is_enabled_without(machine: Machine) -> None:
    assert "sshd has no other AuthorizedKeysCommand, so there is none to chain" in machine.enable(chain=True)
    assert machine.effective == (PLAIN.command, "eic-sshd")


def test_an_explicit_none_is_the_sites_word(machine: Machine) -> None:
    machine.write("sshd_config.d/10-hardening.conf", "# by policy\nAuthorizedKeysCommand none\n")
    assert "10-hardening.conf:2 sets AuthorizedKeysCommand none" in machine.refusal()


def test_a_match_block_keeps_its_command_and_it_is_told(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User git\n    AuthorizedKeysCommand /usr/bin/true git\n"
                        "    AuthorizedKeysCommandUser nobody\n")  # fmt: skip
    said = machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")
    assert any("for `Match User git` sshd goes on running /usr/bin/true git" in sentence for sentence in said)


def test_a_match_block_that_relies_on_the_user_outside_is_not_left_with_another(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}AuthorizedKeysCommandUser nobody\n"
                        "Match User git\n    AuthorizedKeysCommand /usr/bin/true git\n")  # fmt: skip
    assert "add an AuthorizedKeysCommandUser to `Match User git`" in machine.refusal()


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("usr/lib/systemd/system/ssh.service.d/eic.conf", "ExecStart=/usr/sbin/sshd -D -o AuthorizedKeysCommand=/x"),
        ("etc/systemd/system/sshd@.service", "ExecStart=-/usr/sbin/sshd -i -oAuthorizedKeysCommand=/x"),
        ("etc/default/ssh", "SSHD_OPTS=-oAuthorizedKeysCommandUser=root"),
        ("etc/default/ssh", "SSHD_OPTS='-o \"AuthorizedKeysCommand /x\"'"),
        ("etc/sysconfig/sshd", "OPTIONS=-o authorizedkeyscommand=/x"),
    ],
)  # fmt: skip
def test_a_command_line_that_goes_before_any_configuration_is_noticed(machine: Machine, file: str, line: str) -> None:
    machine.write(file, f"# -o AuthorizedKeysCommand=/y\n{line}\n")
    assert f"at {machine.folder}/{file}:2," in machine.refusal()


@pytest.mark.parametrize("line", ["ExecStart=/usr/sbin/sshd -D -f /etc/other", "SSHD_OPTS=-f/etc/other"])
def test_another_configuration_than_the_one_we_write_to_is_noticed(machine: Machine, line: str) -> None:
    machine.write("etc/default/ssh", f"{line}\n")
    assert "sshd is started with -f /etc/other at" in machine.refusal()


def test_other_programs_have_options_of_their_own(machine: Machine) -> None:
    machine.write("etc/systemd/system/ssh.service", "ExecStartPre=-/bin/rm -f /run/nologin\n")
    machine.enable()


def test_a_unit_that_is_overridden_does_not_count(machine: Machine) -> None:
    name = "systemd/system/ssh.service.d/ec2-instance-connect.conf"
    machine.write(f"usr/lib/{name}", "ExecStart=/usr/sbin/sshd -D -o AuthorizedKeysCommand=/x\n")
    machine.write(f"etc/{name}", "")
    machine.enable()


def test_a_match_block_whose_command_has_no_user_does_not_get_one(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User git\n    AuthorizedKeysCommand /usr/bin/true git\n")
    assert "has no user, so it never runs, which would change" in machine.refusal()


@pytest.mark.parametrize("user", ["root", "%u", "nobody-of-that-name"])
def test_a_match_block_does_not_have_us_run_as_root(machine: Machine, user: str) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n    AuthorizedKeysCommandUser {user}\n")
    assert "which must be a single existing user other than root" in machine.refusal()


def test_a_match_block_with_another_user_is_told_of(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n    AuthorizedKeysCommandUser nobody\n")
    assert any("runs eic-sshd as nobody" in sentence for sentence in machine.enable())


def test_a_match_block_without_any_command_is_told_of(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n    AuthorizedKeysCommand none\n")
    assert any("for `Match User bob` sshd runs no command" in sentence for sentence in machine.enable())


def test_what_stands_under_match_all_is_to_be_moved(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match all\n{OTHER}")
    assert "which is left as it is: /usr/bin/true %u" in machine.refusal()
    assert "stands under `Match all`" in machine.refusal(chain=True)


THEIRS = """# ours too
PermitRootLogin no
Match User git
    AuthorizedKeysCommand /usr/bin/true git
    AuthorizedKeysCommandUser nobody
"""


def test_lines_of_theirs_in_a_file_of_ours_stay_in_it(machine: Machine) -> None:
    machine.enable()
    with open(machine.site.drop_in, "a") as file:
        file.write(THEIRS)
    machine.enable()
    assert Path(machine.site.drop_in).read_text() == PLAIN.text() + THEIRS
    assert any("# ours too" in sentence for sentence in machine.disable())
    assert Path(machine.site.drop_in).read_text() == THEIRS
    assert machine.effective == ("none", "none")
    machine.enable()
    assert Path(machine.site.drop_in).read_text() == PLAIN.text() + THEIRS
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    assert Path(machine.site.drop_in).read_text().endswith(THEIRS)


def test_only_lines_that_name_us_are_ours() -> None:
    assert others_in(PLAIN.text()) == []
    assert others_in(f"{PLAIN.text()}\n\n") == []
    for line in ("AuthorizedKeysCommandUser nobody", "AuthorizedKeysCommand /x %u", "# x", f"Banner {FRONT_DOOR}"):
        assert others_in(f"{line}\n{PLAIN.text()}") == [line]
        assert others_in(f"{PLAIN.text()}{line}\n") == [line]


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_somebody_put_in_our_files_place_stays(machine: Machine, kind: str) -> None:
    if kind == "link":
        os.symlink("/dev/null", machine.site.drop_in)
    else:
        os.mkdir(machine.site.drop_in)
    assert "is no plain file" in machine.refusal()
    assert os.path.lexists(machine.site.drop_in)


def test_a_file_of_theirs_in_the_chains_place_stays(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.write("eic-sshd/conf.d/60-chain.conf", "[chain]\ncommand = /usr/bin/false\n")
    assert "is not of our making: give it another name" in machine.refusal(chain=True)
    machine.disable()
    assert config.load(machine.site.our_config).chain.command == "/usr/bin/false"


def test_a_configuration_that_the_chains_user_cannot_read_is_said_before_anything_is_changed(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    Path(machine.site.our_config).chmod(0o640)
    assert "eic-sshd would run as nobody, for whom its configuration is invalid" in machine.refusal(chain=True)


def test_a_line_that_names_us_elsewhere_stops_disabling(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}Match User bob\n{PLAIN.text()}")
    assert f"{machine.folder}/sshd_config:6 has sshd ask eic-sshd too" in machine.refusal(do=disable)


def test_a_change_that_sshd_does_not_take_is_put_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root's own file, which is put back with its mode and all.
    machine.write("sshd_config.d/60-eic-sshd.conf", "# mine\n")
    Path(machine.site.drop_in).chmod(0o600)
    wrong = PLAIN._replace(command="relative/path")
    monkeypatch.setattr("eic_sshd.enabling.enable.PLAIN", wrong)
    assert "sshd does not take it" in machine.refusal()
    assert Path(machine.site.drop_in).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [KeyboardInterrupt, Refused("reloading failed")])
def test_whatever_breaks_it_off_everything_is_put_back_and_sshd_told_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    told: List[Dict[str, bytes]] = []

    def reload(units: Units) -> None:
        units.told_sshd = True
        told.append(machine.files())
        if len(told) == 1:
            raise error

    monkeypatch.setattr(Units, "reload_sshd", reload)
    before = machine.files()
    with pytest.raises((KeyboardInterrupt, Refused)):
        machine.enable()
    assert machine.files() == before
    assert told[0] != before
    assert told[1:] == [before]


def test_a_broken_configuration_of_ours_keeps_the_chain_out(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.write("eic-sshd/eic-sshd.conf", "[keys]\nwindow = soon\n")
    assert "for whom its configuration is invalid" in machine.refusal(chain=True)


def test_a_line_right_after_our_command_is_ours_only_if_it_names_its_user(machine: Machine) -> None:
    text = f"AuthorizedKeysCommand {PLAIN.command}\nBanner none\n"
    assert others_in(text) == ["Banner none"]


def test_the_folder_that_was_made_for_the_socket_goes_and_the_packages_own_stays(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    folder = Path(machine.site.socket_drop_in).parent
    assert folder.is_dir()
    machine.disable()
    assert not folder.exists()
    assert Path(machine.site.chain_config).parent.is_dir()


def test_without_a_file_of_ours_it_is_chained_all_the_same(machine: Machine) -> None:
    """Its defaults hold then."""
    (machine.folder / "eic-sshd/eic-sshd.conf").unlink()
    machine.sshd_config(INCLUDE + OTHER)
    machine.enable(chain=True)
    assert machine.effective == (PLAIN.command, "nobody")


def test_what_cannot_be_written_is_said_with_its_path(machine: Machine) -> None:
    folder = Path(machine.site.sshd_drop_ins)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=True)
    try:
        said = machine.refusal()
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert said == f"{machine.site.drop_in} can't be written: Read-only file system"
    assert not any(sentence.startswith("wrote") for sentence in machine.told)


@pytest.fixture
def signals() -> Iterator[None]:
    """Puts the handlers of this process back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_nobody_listening_does_not_stop_it_half_way(
    signals: None, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    said = []

    def change(site: Site) -> None:
        site.say("\udcff \u00f6")  # what a file may have in it
        site.say("x")
        said.append("x")

    with open("/dev/full", "w", encoding=encoding) as full:
        monkeypatch.setattr("sys.stdout", full)
        assert administering(argparse.Namespace(dry_run=True), change) == 0
    assert said == ["x"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_puts_back_what_was_begun(machine: Machine, signals: None, number: signal.Signals) -> None:
    before = machine.files()

    def change(site: Site) -> None:
        with machine.site.all_or_nothing() as changes:
            changes.write(machine.site.drop_in, "x")
            os.kill(os.getpid(), number)
            changes.write(machine.site.drop_in, "never")

    assert administering(argparse.Namespace(dry_run=False), change) == 1
    assert machine.files() == before


def test_without_sshds_folder_it_can_still_be_tested_and_finds_it_when_it_starts(machine: Machine) -> None:
    os.rmdir("/run/sshd")
    assert machine.site.sshd.problem() is None
    assert os.path.isdir("/run/sshd")


def test_without_host_keys_it_can_still_be_tested(machine: Machine) -> None:
    machine.sshd_config(f"{INCLUDE}HostKey {machine.folder}/none_such\n")
    assert machine.site.sshd.problem() is None
    machine.enable()
    assert machine.effective == (PLAIN.command, "eic-sshd")


def test_what_is_not_installed_is_not_asked_for(machine: Machine) -> None:
    site = machine.site._replace(front_door="/no/such/front-door")
    assert "there is no /no/such/front-door: install the package" in machine.refusal(do=lambda _: enable(site, False))


def standing(machine: Machine) -> List[str]:
    return list(problems(machine.site, config.load(machine.site.our_config)))


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
    assert "`eic-sshd enable --chain` has it run" in standing(machine)[0]
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


def test_without_keys_on_disk_disabling_says_what_it_comes_to(machine: Machine) -> None:
    machine.sshd_config(INCLUDE + "AuthorizedKeysFile none\n")
    machine.enable()
    assert "no key at all logs in" in machine.disable()[0]


def test_what_sshd_would_not_take_without_us_stays(machine: Machine) -> None:
    machine.enable()
    machine.sshd_config(INCLUDE + "AuthorizedKeysCommand /usr/bin/true\n")  # and nobody to run it as, but ours
    assert "sshd does not take its configuration without eic-sshd: " in machine.refusal(do=disable)


@pytest.mark.parametrize("before", [None, "before\n"])
def test_a_file_that_was_changed_twice_is_put_back_as_it_was_at_first(tmp_path: Path, before: Optional[str]) -> None:
    path = tmp_path / "folder/file"
    if before is not None:
        path.parent.mkdir()
        path.write_text(before)
    changes = Changes(lambda sentence: None, dry_run=False)
    changes.write(str(path), "once\n")
    changes.write(str(path), "twice\n")
    changes.remove(str(path), and_folder=True)
    changes.put_back()
    assert (path.read_text() if path.exists() else None) == before
    assert path.parent.exists() == (before is not None)


def test_a_disk_that_is_full_leaves_no_folder_behind(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)], check=True)
    try:
        (disk / "filling").write_bytes(b"x" * 4096)
        changes = Changes(lambda sentence: None, dry_run=False)
        with pytest.raises(Refused, match="No space left on device"):
            changes.write(str(disk / "folder/file"), "x" * 4096)
        changes.put_back()
        assert os.listdir(disk) == ["filling"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_file_that_others_may_not_read_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("theirs\n")
    path.chmod(0o600)
    changes = Changes(lambda sentence: None, dry_run=False)
    changes.write(str(path), "ours\n")
    assert path.stat().st_mode & 0o777 == 0o600
    changes.put_back()
    assert path.stat().st_mode & 0o777 == 0o600
