# SPDX-License-Identifier: Apache-2.0
"""A world file as values that know their place: YAML, of which JSON is a part, with the line of each value."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Callable, Iterator, List, Mapping, NoReturn, Optional, Tuple, TypeVar, Union

import yaml

from ..cloud.network import Address, Network
from ..iam.document import Json
from ..iam.errors import Path, show_path
from .nodes import MAX_FILE, WorldError, compose

__all__ = ["Fields", "Value", "WorldError", "parse", "read"]

Read = TypeVar("Read")

_MAX_KEY = 512  # characters
_MAX_TEXT = 4096  # characters
_SHOWN = 64  # characters of a value that a message repeats


def read(path: str) -> Value:
    """The document in a file. Raises WorldError, OSError."""
    with open(path, "rb") as file:
        return parse(file.read(MAX_FILE + 1), path)


def parse(content: bytes, name: str) -> Value:
    """The document in `content`; `name` is that of the file. Raises WorldError."""
    return Value(name, (), compose(content, name))


@dataclass(frozen=True)
class Value:
    """A value of the file, and its place in it. `key` is that of the entry of a mapping which has the value.

    What reads the value raises WorldError where it is not of the kind that is wanted.
    """

    file: str
    path: Path
    node: yaml.Node
    key: Optional[yaml.Node] = None

    @property
    def line(self) -> int:
        """The line of its key, else its own; the first is 1."""
        return int((self.key or self.node).start_mark.line) + 1

    def fail(self, problem: str, remedy: str, below: Path = ()) -> NoReturn:
        """Raises WorldError. `below` leads from here to the place of the problem, as far as it exists."""
        place = show_path((*self.path, *below)) or "the file"
        raise WorldError(f"{self.file}:{self._at(below).line}: {place}: {problem}. {remedy}")

    def _wrong(self, what: str) -> NoReturn:
        if isinstance(self.node, yaml.ScalarNode):
            seen = "nothing" if self.is_null() else repr(self.node.value[:_SHOWN])
        else:
            seen = "a mapping" if self.is_mapping() else "a list"
        self.fail(f"invalid ({seen})", f"Use {what}.")

    def is_null(self) -> bool:
        """Whether the value is left empty."""
        return bool(self.node.tag == "tag:yaml.org,2002:null")

    def is_mapping(self) -> bool:
        """Whether the value is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    def entries(self) -> Iterator[Tuple[str, Value]]:
        """The entries of a mapping; an empty value has none."""
        if self.is_null():
            return
        if not isinstance(self.node, yaml.MappingNode):
            self._wrong("a mapping")
        seen = set()
        for key, value in self.node.value:
            name = _key(Value(self.file, self.path, key))
            below = Value(self.file, (*self.path, name), value, key)
            if name in seen:
                below.fail("given twice", "Remove one of them.")
            seen.add(name)
            yield name, below

    def fields(self, *names: str) -> Fields:
        """The entries of a mapping that has no others than these."""
        found = dict(self.entries())
        for name, value in found.items():
            if name not in names:
                value.fail("unknown key", f"Use one of: {', '.join(names)}.")
        return Fields(self, {name: value for name, value in found.items() if not value.is_null()})

    def items(self) -> List[Value]:
        """The items of a list; an empty value has none, and a single value is a list of one."""
        if self.is_null():
            return []
        if not isinstance(self.node, yaml.SequenceNode):
            return [self]
        return [Value(self.file, (*self.path, at), node) for at, node in enumerate(self.node.value)]

    def text(self, pattern: str = ".*", what: str = "printable text of one line") -> str:
        """A printable text that has the pattern; `what` names such a text in a message."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null():
            self._wrong(what)
        text = str(self.node.value)
        if len(text) > _MAX_TEXT or not text.isprintable() or not re.fullmatch(pattern, text):
            self._wrong(what)
        return text

    def number(self, allowed: range) -> int:
        """A whole number."""
        what = f"a whole number from {allowed.start} to {allowed.stop - 1}"
        text = self.text(r"[0-9]{1,9}", what)
        if int(text) not in allowed:
            self._wrong(what)
        return int(text)

    def seconds(self, most: float) -> float:
        """A time span."""
        what = f"a number of seconds from 0 to {most:.0f}"
        text = self.text(r"[0-9]{1,9}(\.[0-9]{1,6})?", what)
        if float(text) > most:
            self._wrong(what)
        return float(text)

    def flag(self) -> bool:
        """A Boolean."""
        if self.node.tag != "tag:yaml.org,2002:bool":
            self._wrong("true or false")
        return str(self.node.value).lower() in ("true", "yes", "on")

    def address(self) -> Address:
        """An IP address without a zone."""
        text = self.text("[0-9A-Fa-f:.]+", "an IP address")
        try:
            return ipaddress.ip_address(text)
        except ValueError:
            self._wrong("an IP address")

    def network(self, what: str = "a network, such as 10.0.0.0/16") -> Network:
        """A network as ADDRESS/LENGTH, whose address has no bits after its length."""
        text = self.text("[0-9A-Fa-f:.]+/[0-9]{1,3}", what)
        try:
            return ipaddress.ip_network(text)
        except ValueError:
            self._wrong(what)

    def listener(self) -> Tuple[str, int]:
        """An address and a port: `127.0.0.1:22`, `[::1]:22`; port 0 is any free one."""
        what = "ADDRESS:PORT, such as 127.0.0.1:2222 or [::1]:2222"
        text = self.text(r"\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}|[0-9.]+:[0-9]{1,5}", what)
        host, _, port = text.rpartition(":")
        try:
            address = str(ipaddress.ip_address(host.strip("[]")))
        except ValueError:
            self._wrong(what)
        if int(port) > 65535:
            self._wrong(what)
        return address, int(port)

    def _at(self, path: Path) -> Value:
        """The value at this path below this one, or as near to it as there is one."""
        value = self
        for step in path:
            below = _step(value, step)
            if below is None:
                return value
            value = below
        return value

    def plain(self) -> Json:
        """The value without its place, as JSON has it."""
        node = self.node
        if isinstance(node, yaml.MappingNode):
            return {name: value.plain() for name, value in self.entries()}
        if isinstance(node, yaml.SequenceNode):
            return [value.plain() for value in self.items()]
        text, kind = str(node.value), str(node.tag).rpartition(":")[2]
        if kind == "null":
            return None
        if kind == "bool":
            return self.flag()
        if kind == "int" and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text):
            return int(text)
        if kind == "float" and re.fullmatch(r"-?[0-9]{1,17}\.[0-9]{1,17}", text):
            return float(text)
        return text


class Fields:
    """The entries of a mapping whose keys are known; one that is left empty counts as missing."""

    def __init__(self, owner: Value, found: Mapping[str, Value]) -> None:
        self._owner = owner
        self._found = found

    def get(self, name: str) -> Optional[Value]:
        """The value of a key; None if it is missing."""
        return self._found.get(name)

    def required(self, name: str, remedy: str = "") -> Value:
        """The value of a key. Raises WorldError if it is missing."""
        if name not in self._found:
            self._owner.fail(f"{name} is missing", remedy or f"Add {name}.")
        return self._found[name]

    def read(self, name: str, default: Read, parse: Callable[[Value], Read]) -> Read:
        """What `parse` makes of the value of a key, or the default if it is missing."""
        return parse(self._found[name]) if name in self._found else default

    def entries(self, name: str) -> Iterator[Tuple[str, Value]]:
        """The entries of a mapping; none if it is missing."""
        return self._found[name].entries() if name in self._found else iter(())

    def items(self, name: str) -> List[Value]:
        """The items of a list; none if it is missing."""
        return self._found[name].items() if name in self._found else []


def _key(value: Value) -> str:
    if not isinstance(value.node, yaml.ScalarNode):
        value.fail("a key is not text", "Use text as a key.")
    text = str(value.node.value)
    if not text or len(text) > _MAX_KEY or not text.isprintable():
        problem = f"a key is not 1 to {_MAX_KEY} printable characters ({text[:_SHOWN]!r})"
        value.fail(problem, "Use another key.")
    return text


def _step(value: Value, step: Union[str, int]) -> Optional[Value]:
    if isinstance(step, int):
        items = value.items()
        return items[step] if step < len(items) else None
    return dict(value.entries()).get(step) if value.is_mapping() else None
