# SPDX-License-Identifier: Apache-2.0
"""The lines that have sshd ask eic-sshd, and those of somebody else that may stand beside them."""

from __future__ import annotations

import enum
import re
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..model.keys_command import FRONT_DOOR

USER = "eic-sshd"

# What is said of our lines. A line that any version wrote stays in here, or it would pass for somebody else's.
_ABOUT = (
    "# Keys pushed through EC2 Instance Connect: see eic-sshd(8).",
    "# Written by `eic-sshd enable`; `eic-sshd disable` takes it away.",
    "# Keys in AuthorizedKeysFile log in as before.",
)
# In place of the second of these lines where the command that the site has is not to be run.
_REPLACING = "# Written by `eic-sshd enable --replace` in place of: {}"
_MARK = "# Written by `eic-sshd enable --chain`; `eic-sshd disable` takes it away.\n"


class Existing(enum.Enum):
    """What becomes of an AuthorizedKeysCommand that sshd has already."""

    KEEP = "keep"
    CHAIN = "chain"
    REPLACE = "replace"


class Plan(NamedTuple):
    """What sshd is to run, as whom, and the command of the site's that eic-sshd is to run after it (`chained`), or that
    is not to be run (`replaced`)."""

    command: str
    user: str
    chained: Optional[str] = None
    replaced: Optional[str] = None

    def text(self, others: Sequence[str] = ()) -> str:
        """A drop-in, with the lines of `others` after ours."""
        about = list(_ABOUT)
        if self.replaced is not None:
            about[1] = _REPLACING.format(self.replaced)
        ours = (*about, f"AuthorizedKeysCommand {self.command}", f"AuthorizedKeysCommandUser {self.user}")
        return "".join(f"{line}\n" for line in (*ours, *others))


PLAIN = Plan(f"{FRONT_DOOR} %u %f", USER)


def is_ours(command: str) -> bool:
    return command.strip('"').split()[:1] == [FRONT_DOOR]


def replaced_in(text: str) -> Optional[str]:
    """The site's command that the drop-in `text` says it replaces."""
    found = re.search(f"^{re.escape(_REPLACING).replace(re.escape('{}'), '(.*)')}$", text, re.MULTILINE)
    return found.group(1) if found else None


def has_ours(text: str) -> bool:
    """Whether any line in `text` is ours."""
    return any(ours for _, ours in _told_apart(text))


def others_in(text: str) -> List[str]:
    """The lines in `text` that are not ours."""
    others = [line for line, ours in _told_apart(text) if not ours]
    return others if any(line.strip() for line in others) else []


def without_ours(text: str) -> str:
    """`text` with nothing where our lines stand."""
    return "\n".join("" if ours else line for line, ours in _told_apart(text))


def _told_apart(text: str) -> Iterator[Tuple[str, bool]]:
    """Each line, and whether it is ours: our command, its user next to it, and what we say of them."""
    after_our_command = False
    for line in text.splitlines():
        keyword, _, value = line.strip().replace("=", " ", 1).partition(" ")
        is_our_command = keyword.lower() == "authorizedkeyscommand" and is_ours(value.strip())
        is_its_user = keyword.lower() == "authorizedkeyscommanduser" and after_our_command
        if keyword and not keyword.startswith("#"):
            after_our_command = is_our_command
        yield line, is_our_command or is_its_user or line in _ABOUT or replaced_in(line) is not None


def marked(lines: str) -> str:
    """The text of a file that goes with a chained command."""
    return f"{_MARK}{lines}"


def is_marked(text: str) -> bool:
    """Whether it is one that we wrote."""
    return text.startswith(_MARK)
