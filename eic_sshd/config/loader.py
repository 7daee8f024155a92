# SPDX-License-Identifier: Apache-2.0
"""Reading eic-sshd.conf and its drop-ins (INI), naming file and line of whatever does not read."""

from __future__ import annotations

import configparser
import os
import re
from typing import Any, Dict, List, Optional, Tuple

from ..host import trusted_files
from ..model.reasons import NotGranted, Reason
from ..paths import OUR_CONFIG
from .schema import SETTINGS, Config, build

_LIMIT = 256 * 1024
_KNOWN = {(setting.section, setting.key): setting for setting in SETTINGS}
_SECTIONS = sorted({setting.section for setting in SETTINGS})
_SEVERAL_LINES = ("types", "region")
# No section is special to us, so the parser's name for the one that is special to it can't be written in a file.
_NO_SECTION = "\0"


class ConfigError(Exception):
    """The configuration does not read.

    `problems` says, a line each, what is wrong and in which file and line. `salvaged` has the sections that read
    without a fault, the others at their defaults: enough to write a record where the site looks for it, and for the
    on-disk fallback where neither it nor the policy for its keys is touched.
    """

    def __init__(self, problems: List[str], salvaged: Config) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.salvaged = salvaged


class _Reading:
    """What has been read so far: values, problems, and the sections that have a problem."""

    def __init__(self) -> None:
        self.values: Dict[str, Dict[str, Any]] = {}
        self.origins: Dict[Tuple[str, str], Tuple[str, str]] = {}  # the file that a value is from, and its text
        self.problems: List[str] = []
        self.invalid_sections: List[str] = []

    def add_problem(self, problem: str, sections: List[str]) -> None:
        self.problems.append(problem)
        self.invalid_sections += sections


def load(path: str = OUR_CONFIG, *, missing_ok: bool = False) -> Config:
    """The configuration of `path` and, on top and in name order, of `conf.d/*.conf` beside it.

    Raises:
        ConfigError: if any of it does not read, or (unless `missing_ok`) there is no file at `path`.
    """
    reading = _read(path, missing_ok)
    if "chain" in reading.invalid_sections:
        reading.problems.append("a chained command is not run either")
    if reading.problems:
        raise ConfigError(reading.problems, _salvaged(reading))
    return build(reading.values)


def where_set(path: str, section: str, key: str) -> Optional[str]:
    """What sets `key` in [section], FILE:LINE, in the configuration of `path`; None where it is left at its default."""
    place = _read(path, missing_ok=True).origins.get((section, key))
    return f"{place[0]}:{_line(place[1], section, key)}" if place else None


def load_or_refuse(config_file: Optional[str]) -> Tuple[Config, Optional[NotGranted]]:
    """The configuration of `config_file` (None: the packaged one, which may be missing).

    Where it does not read: what of it does, and the refusal that follows.
    """
    try:
        return load(config_file or OUR_CONFIG, missing_ok=config_file is None), None
    except ConfigError as error:
        return error.salvaged, NotGranted(Reason.CONFIG_INVALID, str(error))


def _read(path: str, missing_ok: bool) -> _Reading:
    reading = _Reading()
    for file in [path, *_drop_ins(path, reading)]:
        _read_file(file, reading, missing_ok and file == path)
    return reading


def _salvaged(reading: _Reading) -> Config:
    """The sections without a fault; no fallback where it, or the policy for its keys, has one."""
    lost = set(reading.invalid_sections)
    if "keys" in lost:
        lost.add("fallback")
    return build({name: keys for name, keys in reading.values.items() if name not in lost})


def _drop_ins(path: str, reading: _Reading) -> List[str]:
    folder = os.path.join(os.path.dirname(path), "conf.d")
    try:
        names = trusted_files.names(folder, owners=(0, os.geteuid()))
    except FileNotFoundError:
        return []
    except OSError as error:
        _invalidate_file(f"{folder}: {error.strerror}", b"", reading)
        return []
    except trusted_files.UntrustedFile as error:
        _invalidate_file(str(error), b"", reading)
        return []
    return [os.path.join(folder, name) for name in names if name.endswith(".conf") and not name.startswith(".")]


def _read_file(file: str, reading: _Reading, missing_ok: bool) -> None:
    content = b""
    try:
        content = trusted_files.read(file, _LIMIT, owners=(0, os.geteuid()))
        parser = configparser.ConfigParser(
            delimiters=("=",), interpolation=None, default_section=_NO_SECTION, empty_lines_in_values=False
        )
        text = content.decode()
        parser.read_string(text, file)
    except FileNotFoundError:
        if not missing_ok:
            _invalidate_file(f"{file}: there is no such file", content, reading)
    except OSError as error:
        _invalidate_file(f"{file}: {error.strerror}", content, reading)
    except trusted_files.UntrustedFile as error:
        _invalidate_file(str(error), content, reading)
    except UnicodeDecodeError as error:
        _invalidate_file(f"{file}: byte {error.start} is not UTF-8", content, reading)
    except configparser.Error as error:
        _invalidate_file(_syntax(file, error), content, reading)
    else:
        for section in parser.sections():
            _read_section(file, text, section, dict(parser.items(section)), reading)


def _invalidate_file(problem: str, content: bytes, reading: _Reading) -> None:
    """A file without a meaning spoils what it may have been about. That is everything, but for the chained command
    where its `content` has none: whose keys are in no way ours to withhold."""
    about_chain = re.search(rb"(?m)^\s*command\s*=", content)
    reading.add_problem(problem, [section for section in _SECTIONS if section != "chain" or about_chain])


def _syntax(file: str, error: configparser.Error) -> str:
    if isinstance(error, configparser.DuplicateOptionError):
        return f"{file}:{error.lineno}: [{error.section}] {error.option} is set twice"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"{file}:{error.lineno}: section [{error.section}] begins twice"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"{file}:{error.lineno}: a line before the first [section]"
    if isinstance(error, configparser.ParsingError) and error.errors:
        return f"{file}:{error.errors[0][0]}: not `key = value`, [section] or a comment"
    return f"{file}: {error}"


def _read_section(file: str, text: str, section: str, keys: Dict[str, str], reading: _Reading) -> None:
    if section not in _SECTIONS:
        where = f"{file}:{_line(text, section)}"
        reading.add_problem(f"{where}: unknown section [{section}]; there are: {', '.join(_SECTIONS)}", [section])
        return
    for key, value in keys.items():
        setting = _KNOWN.get((section, key))
        if setting is None:
            known = ", ".join(s.key for s in SETTINGS if s.section == section)
            where = f"{file}:{_line(text, section, key)}"
            reading.add_problem(f"{where}: unknown key {key} in [{section}]; there are: {known}", [section])
            continue
        try:
            if re.search(r"[\0-\x08\x0a-\x1f\x7f]", value) and key not in _SEVERAL_LINES:
                raise ValueError("it takes one line; was the next one indented?")
            reading.values.setdefault(section, {})[key] = setting.read(value.strip())
            reading.origins[section, key] = file, text
        except ValueError as error:
            where = f"{file}:{_line(text, section, key)}"
            reading.add_problem(f"{where}: [{section}] {key} = {value!r}: {error}", [section])


def _line(text: str, section: str, key: str = "") -> int:
    """The number of the line where `section`, or `key` in it, stands (configparser keeps none)."""
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\[(?P<name>.+)\]", line.strip())
        if header:
            current = header.group("name")
            if current == section and not key:
                return number
        elif current == section and key and line.partition("=")[0].strip().lower() == key:
            return number
    return 1


def commented_file() -> str:
    """What the packages install as eic-sshd.conf: every key with its default, as comments."""
    parts: List[str] = [
        "# eic-sshd.conf: see eic-sshd.conf(5). Every key stands here with its default;\n"
        "# to change one, take its `#` away, or write it to a file of its own in conf.d/.\n"
    ]
    for section in dict.fromkeys(setting.section for setting in SETTINGS):
        parts.append(f"\n[{section}]\n")
        parts += [_commented(s.help, s.key, s.default) for s in SETTINGS if s.section == section]
    return "".join(parts)


def _commented(text: str, key: str, default: str) -> str:
    lines: List[Tuple[str, ...]] = [()]
    for word in text.split():
        if len(" ".join((*lines[-1], word))) > 76:
            lines.append(())
        lines[-1] += (word,)
    return "".join(f"# {' '.join(line)}\n" for line in lines) + f"#{key} = {default}".rstrip() + "\n"
