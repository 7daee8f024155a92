# SPDX-License-Identifier: Apache-2.0
"""The lines that `enable` writes into sshd's drop-ins, and how they are recognized among lines of the administrator."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..model import keys_command
from ..paths import ACCOUNT, CLIENT_COMMAND

# The comments above our lines. A comment that any version wrote stays in here, or it would count as a foreign line.
_COMMENTS = (
    "# Keys pushed through EC2 Instance Connect: see eic-sshd(8).",
    "# Written by `eic-sshd enable`; `eic-sshd disable` takes it away.",
    "# Keys in AuthorizedKeysFile log in as before.",
)
# The second comment where the site's own command is not run.
_REPLACING = "# Written by `eic-sshd enable --replace` in place of: {}"
# The first line of each file that belongs to a chained command.
_CHAIN_MARK = "# Written by `eic-sshd enable --chain`; `eic-sshd disable` takes it away.\n"


class Plan(NamedTuple):
    """The AuthorizedKeysCommand and AuthorizedKeysCommandUser to set.

    The site's own command is `chained` if eic-sshd is to run it as well, `replaced` if it is not to be run.
    """

    command: str
    user: str
    chained: Optional[str] = None
    replaced: Optional[str] = None

    def text(self, foreign: Sequence[str] = ()) -> str:
        """The text of the drop-in, with the `foreign` lines after ours."""
        comments = list(_COMMENTS)
        if self.replaced is not None:
            comments[1] = _REPLACING.format(self.replaced)
        ours = (*comments, f"AuthorizedKeysCommand {self.command}", f"AuthorizedKeysCommandUser {self.user}")
        return "".join(f"{line}\n" for line in (*ours, *foreign))


PLAIN = Plan(f"{CLIENT_COMMAND} --token U=%U %u %f", ACCOUNT)


# What an older version wrote: tokens for a chained command, and no uid.
_OLDER = re.compile(rf"{re.escape(CLIENT_COMMAND)}(?: --token ([A-TV-Za-z])=%\1)* %u %f")


def is_of_older_version(command: str) -> bool:
    """Whether an older version wrote the AuthorizedKeysCommand `command`, which does not pass the uid."""
    return _OLDER.fullmatch(command) is not None


def passes_uid(command: str) -> bool:
    """Whether the AuthorizedKeysCommand `command` passes eic-sshd the uid, which [policy] needs."""
    tokens = _tokens(command)
    return tokens is not None and tokens.get("U") == "%U"


def has_valid_arguments(command: str) -> bool:
    """Whether eic-sshd accepts the arguments of the AuthorizedKeysCommand `command`."""
    return _tokens(command) is not None


def _tokens(command: str) -> Optional[Dict[str, str]]:
    """The tokens that `command` passes; None for wrong arguments.

    As client.py reads them: options come before the user's name, and the last value of a token counts.
    """
    try:
        words = list(keys_command.split(command))[1:]
    except ValueError:
        return None
    tokens: Dict[str, str] = {}
    options = {"--socket": "x", "--config": "x", "--token": "x"}
    while words and words[0].startswith("--"):
        option, equals, value = words.pop(0).partition("=")
        if option == "--" and not equals:
            break
        if option not in options or not (equals or words):
            return None
        options[option] = value = value if equals else words.pop(0)
        if option == "--token":
            tokens[value[:1]] = value[2:]
    is_whole = len(words) in (1, 2) and words[0] and options["--socket"] and options["--config"]
    return tokens if is_whole else None


def is_ours(command: str) -> bool:
    """Whether the AuthorizedKeysCommand `command` runs eic-sshd."""
    return command.strip('"').split()[:1] == [CLIENT_COMMAND]


def replaced_command(text: str) -> Optional[str]:
    """The site's command that the drop-in `text` names as replaced."""
    found = re.search(f"^{re.escape(_REPLACING).replace(re.escape('{}'), '(.*)')}$", text, re.MULTILINE)
    return found.group(1) if found else None


def has_our_lines(text: str) -> bool:
    """Whether any line in `text` is ours."""
    return any(ours for _, ours in _classify_lines(text))


def foreign_lines(text: str) -> List[str]:
    """The lines in `text` that are not ours; none if all of them are blank."""
    foreign = [line for line, ours in _classify_lines(text) if not ours]
    return foreign if any(line.strip() for line in foreign) else []


def strip_our_lines(text: str) -> str:
    """`text` with an empty line in place of each line of ours, so that the numbers of the others stay."""
    return "\n".join("" if ours else line for line, ours in _classify_lines(text))


def _classify_lines(text: str) -> Iterator[Tuple[str, bool]]:
    """Each line, and whether it is ours: our command, the user right after it, and our comments."""
    after_our_command = False
    for line in text.splitlines():
        keyword, _, value = line.strip().replace("=", " ", 1).partition(" ")
        is_our_command = keyword.lower() == "authorizedkeyscommand" and is_ours(value.strip())
        is_its_user = keyword.lower() == "authorizedkeyscommanduser" and after_our_command
        if keyword and not keyword.startswith("#"):
            after_our_command = is_our_command
        yield line, is_our_command or is_its_user or line in _COMMENTS or replaced_command(line) is not None


def with_chain_mark(lines: str) -> str:
    """The text of a file that belongs to a chained command."""
    return f"{_CHAIN_MARK}{lines}"


def has_chain_mark(text: str) -> bool:
    """Whether `enable --chain` wrote the file with this `text`."""
    return text.startswith(_CHAIN_MARK)
