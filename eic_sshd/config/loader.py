# SPDX-License-Identifier: Apache-2.0
"""Reads eic-sshd.conf and its drop-ins. Every problem is reported with its file and line."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Optional, Sequence, Tuple, Type

from ..host import trusted_files
from ..host.errors import MachineError
from ..model.reasons import NotGranted, Reason
from ..paths import OUR_CONFIG
from . import ini
from .schema import SECTIONS, Config, build
from .section import Section, Setting

_LIMIT = 256 * 1024  # bytes of one file
# What a file of another kind, in place of a configuration, may add to a record: characters of a value and of a problem,
# and problems. `eic-sshd check-config` prints all problems.
_MAX_VALUE, _MAX_PROBLEM, _MAX_PROBLEMS = 200, 400, 10
# What a wrong header may have been meant for, and the settings of [users], which may be in a wrong section.
_MEANS_USERS = r"\W*users?\b"
_MEANS_RIGHTS = r"\W*(?:users?\b|polic|keys?\b)"
_OF_USERS = ("deny", "skip", "allow")


class ConfigError(Exception):
    """The configuration is invalid.

    `found` has the problems, each with its file and line and the remedy; `problems` are their messages. `salvaged` has
    the values of the sections without a problem, and the defaults of the others: enough to record a decision where the
    site expects it, and for the fallback to keys on disk, if neither it nor [keys], [users] or a [policy] has one.
    """

    def __init__(self, found: List[MachineError], salvaged: Config) -> None:
        self.found = found
        self.problems = [str(one) for one in found]
        self.salvaged = salvaged
        shown = self.problems[:_MAX_PROBLEMS]
        if len(found) > len(shown):
            shown.append(f"There are {len(found) - len(shown)} more problems: run `eic-sshd check-config`.")
        super().__init__(" ".join(shown)[:-1])  # without the last full stop, to be part of other messages


class Reading:
    """What has been read so far: the values, where they are set, the problems, and the sections that have one.

    Values and origins are by header, such as `keys` or `policy "x"`, and by setting. An origin is FILE:LINE.
    """

    def __init__(self, sections: Sequence[Type[Section]]) -> None:
        self.sections = {section.name: section for section in sections}
        self.values: Dict[str, Dict[str, object]] = {}
        self.origins: Dict[Tuple[str, str], str] = {}
        self.headers: Dict[str, str] = {}  # FILE:LINE of each header with a name
        self.problems: List[MachineError] = []
        self.invalid_sections: List[str] = []
        self.has_command = False  # whether a [chain] command is set, perhaps in a file that is invalid

    def add_problem(self, sections: Sequence[str], subject: str, problem: str, remedy: str = "") -> None:
        """`sections` are invalid, because of the `problem`."""
        self.problems.append(MachineError(subject, _shortened(problem, _MAX_PROBLEM), remedy))
        self.invalid_sections += sections


def load(path: str = OUR_CONFIG, *, missing_ok: bool = False) -> Config:
    """The configuration of `path` and, on top and in name order, of `conf.d/*.conf` beside it.

    Raises:
        ConfigError: if any of it is invalid, or (unless `missing_ok`) there is no file at `path`.
    """
    reading = read(path, SECTIONS, missing_ok=missing_ok)
    if "chain" in reading.invalid_sections and reading.has_command:
        reading.problems.append(MachineError("[chain] command", "it does not run either"))
    if reading.problems:
        raise ConfigError(reading.problems, _salvaged(reading))
    return build(reading.values)


def where_set(path: str, section: str, key: str) -> Optional[str]:
    """What sets `key` in [section], FILE:LINE, in the configuration of `path`; None if it has its default."""
    return read(path, SECTIONS, missing_ok=True).origins.get((section, key))


def stamp(path: str) -> Tuple[Optional[Tuple[int, int, int]], ...]:
    """What differs once a file of the configuration of `path` is changed, added or removed.

    The modification time, inode and size of the file, of its folder `conf.d` and of each drop-in; None for what cannot
    be looked at.
    """
    folder = os.path.join(os.path.dirname(path), "conf.d")
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".conf"))
    except OSError:
        names = []
    return tuple(_stamp_of(file) for file in (path, folder, *(os.path.join(folder, name) for name in names)))


def _stamp_of(file: str) -> Optional[Tuple[int, int, int]]:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def load_or_refuse(config_file: Optional[str]) -> Tuple[Config, Optional[NotGranted]]:
    """The configuration of `config_file` (None: the packaged one, which may be missing).

    If it is invalid: its valid sections, and the refusal of every pushed key.
    """
    try:
        return load(config_file or OUR_CONFIG, missing_ok=config_file is None), None
    except ConfigError as error:
        return error.salvaged, NotGranted(Reason.CONFIG_INVALID, str(error))


def read(path: str, sections: Sequence[Type[Section]], *, missing_ok: bool = False) -> Reading:
    """The values of `sections` in the file `path` and its drop-ins, and all problems."""
    reading = Reading(sections)
    for file in [path, *_drop_ins(path, reading)]:
        text = _text(file, reading, missing_ok and file == path)
        if text is not None:
            _read_file(file, text, reading)
    return reading


def _salvaged(reading: Reading) -> Config:
    """The sections without a problem; no fallback if it, the policy for its keys, or who may log in has one."""
    lost = set(reading.invalid_sections)
    if lost & {"keys", "users", "policy"}:
        lost.add("fallback")
    return build({header: values for header, values in reading.values.items() if header.split()[0] not in lost})


def _drop_ins(path: str, reading: Reading) -> List[str]:
    folder = os.path.join(os.path.dirname(path), "conf.d")
    try:
        names = trusted_files.names(folder, owners=(0, os.geteuid()))
    except FileNotFoundError:
        if os.path.islink(folder):
            _invalidate_file("", reading, folder, "it is a symbolic link to a folder that does not exist")
        return []
    except OSError as error:
        _invalidate_file("", reading, folder, str(error.strerror))
        return []
    except trusted_files.UntrustedFile as error:
        _invalidate_file("", reading, error.path, error.problem, error.remedy)
        return []
    return [os.path.join(folder, name) for name in names if name.endswith(".conf") and not name.startswith(".")]


def _text(file: str, reading: Reading, missing_ok: bool) -> Optional[str]:
    """The text of `file`; None, with a problem added, if it has none."""
    content = b""
    try:
        content = trusted_files.read(file, _LIMIT, owners=(0, os.geteuid()))
        return content.decode()
    except FileNotFoundError:
        if not missing_ok or os.path.islink(file):
            _invalidate_file("", reading, file, "it does not exist")
    except OSError as error:
        _invalidate_file("", reading, file, str(error.strerror))
    except trusted_files.UntrustedFile as error:
        _invalidate_file("", reading, error.path, error.problem, error.remedy)
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 (byte {error.start})"
        _invalidate_file(content.decode(errors="replace"), reading, file, problem)
    return None


def _invalidate_file(text: str, reading: Reading, subject: str, problem: str, remedy: str = "") -> None:
    """An unreadable or unparsable file invalidates every section, except [chain] if its `text` does not concern it.

    The chained command's keys are the site's: eic-sshd withholds them only if the text sets the command, or whom
    [users] denies. Of a file that cannot be read there is no text, so its chained command runs.
    """
    sets_command = re.search(r"(?m)^\s*command\s*=", text)
    reading.has_command |= bool(sets_command)
    names_users = re.search(rf"(?im)^\s*(?:\[{_MEANS_USERS}|(?:deny|allow)\s*=)", text)
    invalid = [name for name in reading.sections if name != "chain" or sets_command or names_users]
    reading.add_problem(invalid, subject, problem, remedy)


def _read_file(file: str, text: str, reading: Reading) -> None:
    parsed = ini.parse(text)
    for problem in parsed.problems:
        _invalidate_file(text, reading, f"{file}:{problem.line}", problem.text)
    if not parsed.problems:
        for section in parsed.sections:
            _read_section(file, section, reading)


def _read_section(file: str, found: ini.IniSection, reading: Reading) -> None:
    place = f"{file}:{found.line}"
    name = found.header.partition(" ")[0]
    section = reading.sections.get(name)
    if section is None:
        remedy = f"Use one of: {', '.join(sorted(reading.sections))}"
        lost = ["chain"] if re.match(_MEANS_USERS, found.header, re.IGNORECASE) else []
        lost += ["fallback"] if re.match(_MEANS_RIGHTS, found.header, re.IGNORECASE) else []
        reading.add_problem([found.header, *lost], place, f"unknown section [{found.header}]", remedy)
        return
    try:
        header = section.header(section.name_in(found.header))
    except ValueError as error:
        reading.add_problem(_lost_with(name), place, f"invalid section [{found.header}]", str(error))
        return
    if section.repeats and reading.headers.setdefault(header, place) != place:
        first = reading.headers[header]
        reading.add_problem([name], place, f"section [{header}] is there already ({first})", "Rename or remove one")
    reading.values.setdefault(header, {})
    settings = {setting.name: setting for setting in section.settings}
    for key, entry in found.entries.items():
        if key in settings:
            _read_setting(file, header, settings[key], entry, reading)
        else:
            remedy = f"Use one of: {', '.join(settings)}"
            lost = _lost_with("users") if key in _OF_USERS else []
            problem = f"unknown key {key} in [{header}]"
            reading.add_problem([*_lost_with(name), *lost], f"{file}:{entry.line}", problem, remedy)


def _lost_with(name: str) -> List[str]:
    """The sections that are invalid if the section `name` is: the chained command does not run for whom it denies."""
    return [name, "chain"] if name == "users" else [name]


def _read_setting(file: str, header: str, setting: Setting[object], entry: ini.Entry, reading: Reading) -> None:
    place = f"{file}:{entry.line}"
    reading.has_command |= (header, setting.name) == ("chain", "command")
    try:
        value = setting.parse(entry.text)
    except ValueError as error:
        problem = f"[{header}] {setting.name} is invalid ({_shortened(entry.text, _MAX_VALUE)!r})"
        reading.add_problem(_lost_with(header.split()[0]), place, problem, str(error))
        return
    reading.values[header][setting.name] = value
    reading.origins[header, setting.name] = place


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
