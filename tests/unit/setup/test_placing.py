# SPDX-License-Identifier: Apache-2.0
"""Which drop-in is written, with a stand-in for an sshd before OpenSSH 9.4, which drops an AuthorizedPrincipalsCommand
that it reads after an AuthorizedKeysCommand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Dict, Optional

import pytest

from eic_sshd.diagnose import side_effects
from eic_sshd.setup import SetupRefused
from eic_sshd.setup.placing import place
from eic_sshd.sshd.drop_in import PLAIN
from eic_sshd.sshd.processes import Processes
from eic_sshd.sshd.program import Sshd
from eic_sshd.sshd.site import Site

OLD_SSHD = f"""#!{sys.executable} -I
import glob, sys

found = {{}}

def read(path):
    for line in open(path):
        keyword, _, value = line.strip().partition(" ")
        keyword = keyword.lower()
        if keyword == "include":
            for pattern in value.split():
                for included in sorted(glob.glob(pattern)):
                    read(included)
        elif keyword == "authorizedprincipalscommand":
            if "authorizedkeyscommand" not in found:
                found[keyword] = value
        elif keyword and not keyword.startswith("#"):
            found.setdefault(keyword, value)

read(sys.argv[sys.argv.index("-f") + 1])
for keyword in ("authorizedkeyscommand", "authorizedkeyscommanduser", "authorizedprincipalscommand"):
    print(keyword, found.get(keyword, "none"))
"""

PRINCIPALS = "AuthorizedPrincipalsCommand /p\n"
OWN = "AuthorizedKeysCommand /own\nAuthorizedKeysCommandUser nobody\n"
OWN_USER = "AuthorizedKeysCommandUser nobody\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    program = tmp_path / "sshd"
    program.write_text(OLD_SSHD)
    program.chmod(0o755)
    (tmp_path / "sshd_config.d").mkdir()
    return Site(
        Sshd(str(program), str(tmp_path / "sshd_config")),
        Processes(str(tmp_path / "proc")),
        str(tmp_path),
        sshd_drop_ins=str(tmp_path / "sshd_config.d"),
    )


@pytest.mark.parametrize(
    ("files", "after_include", "expected"),
    [
        ({}, "", "60-eic-sshd.conf"),
        ({"50-site.conf": PRINCIPALS}, "", "60-eic-sshd.conf"),
        ({"70-site.conf": PRINCIPALS}, "", "zz-eic-sshd.conf"),
        ({"99-site.conf": PRINCIPALS, "10-site.conf": "AuthorizedPrincipalsCommand /other\n"}, "", "zz-eic-sshd.conf"),
        ({"10-site.conf": OWN}, "", "00-eic-sshd.conf"),
        ({"10-site.conf": OWN_USER}, "", "00-eic-sshd.conf"),
        ({"10-site.conf": PRINCIPALS, "70-site.conf": OWN}, "", "60-eic-sshd.conf"),
        ({"10-site.conf": OWN + PRINCIPALS}, "", "00-eic-sshd.conf"),  # it is none already
        ({"70-site.conf": PRINCIPALS + OWN}, "", None),
        ({"10-site.conf": PRINCIPALS + OWN}, "", None),
        ({"10-site.conf": OWN_USER, "20-site.conf": PRINCIPALS}, "", None),
        ({}, PRINCIPALS, None),
        ({"60-eic-sshd.conf": PLAIN.text(), "70-site.conf": PRINCIPALS}, "", "zz-eic-sshd.conf"),
        ({"zz-eic-sshd.conf": PLAIN.text()}, "", "60-eic-sshd.conf"),
        ({"zz-eic-sshd.conf": PLAIN.text(), "70-site.conf": PRINCIPALS}, "", "zz-eic-sshd.conf"),
    ],
)
def test_our_lines_precede_the_sites_command_and_follow_the_one_for_principals(
    site: Site, files: Dict[str, str], after_include: str, expected: Optional[str]
) -> None:
    for name, text in files.items():
        Path(site.sshd_drop_ins, name).write_text(text)
    Path(site.sshd.config).write_text(f"Include {site.sshd_drop_ins}/*.conf\n{after_include}")
    before = side_effects.without_our_lines(site)
    assert len(before) == 1
    if expected is None:
        with pytest.raises(SetupRefused, match=r":[12]: AuthorizedPrincipalsCommand would become none"):
            place(site, PLAIN, before)
    else:
        assert place(site, PLAIN, before) == (str(Path(site.sshd_drop_ins, expected)), PLAIN.text())


def test_a_setting_that_differs_is_named(site: Site) -> None:
    Path(site.sshd.config).write_text(f"Include {site.sshd_drop_ins}/*.conf\n{PRINCIPALS}")
    before = side_effects.without_our_lines(site)
    Path(site.drop_in).write_text(PLAIN.text())
    after = side_effects.observe(site.sshd, list(before))
    found = side_effects.difference(before, after)
    assert found == side_effects.Difference("authorizedprincipalscommand", "/p", "none")
    assert found.text() == "authorizedprincipalscommand none instead of /p"
    assert side_effects.difference(before, before) is None
    assert side_effects.difference(before, {}) is None  # sshd prints nothing
    assert side_effects.without_our_lines(site) == before
