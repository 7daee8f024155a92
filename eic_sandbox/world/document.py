# SPDX-License-Identifier: Apache-2.0
"""A world file as values that know their place: YAML, of which JSON is a part, with the line of each value."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, NoReturn, Optional, Tuple, Union

import yaml

Json = Union[None, bool, int, float, str, List["Json"], Dict[str, "Json"]]
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

MAX_FILE = 4 * 1024 * 1024  # bytes
_MAX_NODES = 200_000  # an alias counts each time that it is used
_SHOWN = 64  # characters of a value that a message repeats


class WorldError(ValueError):
    """A world file is invalid. The message is `FILE:LINE: PLACE: problem (value). Remedy.`, one line."""


def read(path: str) -> Value:
    """The document in a file. Raises WorldError, OSError."""
    with open(path, "rb") as file:
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise WorldError(f"{path}: the file has over {MAX_FILE} bytes. Use a smaller world.")
    return parse(content, path)


def parse(content: bytes, name: str) -> Value:
    """The document in `content`; `name` is that of the file. Raises WorldError."""
    try:
        node = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise WorldError(f"{name}:{line}: not YAML: {error.problem or error.context}. Correct the line.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise WorldError(f"{name}: not YAML in UTF-8: {str(error).splitlines()[0]}. Correct the file.") from None
    except RecursionError:
        raise WorldError(f"{name}: values are nested too deeply. Use fewer levels.") from None
    if node is None:
        raise WorldError(f"{name}: the file is empty. Describe at least one account.")
    _require_bounded(node, name)
    return Value(name, "", node)


def _require_bounded(top: yaml.Node, name: str) -> None:
    left: List[Tuple[yaml.Node, int]] = [(top, 0)]
    for count in range(_MAX_NODES):
        if not left:
            return
        node, depth = left.pop()
        if depth > 40 or count + len(left) >= _MAX_NODES - 1:
            break
        if isinstance(node, yaml.MappingNode):
            left += [(child, depth + 1) for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            left += [(child, depth + 1) for child in node.value]
    raise WorldError(f"{name}: too many values, or nested too deeply. Use a smaller world.")


@dataclass(frozen=True)
class Value:
    """A value of the file, and its place in it, such as `accounts.123456789012.users.alice`."""

    file: str
    place: str
    node: yaml.Node

    def fail(self, problem: str, remedy: str) -> NoReturn:
        """Raises WorldError."""
        line = self.node.start_mark.line + 1
        raise WorldError(f"{self.file}:{line}: {self.place or 'the file'}: {problem}. {remedy}")

    def _wrong(self, what: str) -> NoReturn:
        seen = f" ({self.node.value[:_SHOWN]!r})" if isinstance(self.node, yaml.ScalarNode) else ""
        self.fail(f"not {what}{seen}", f"Use {what}.")

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
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                Value(self.file, self.place, key).fail("a key is not plain text", "Use text as a key.")
            below = Value(self.file, f"{self.place}.{key.value}" if self.place else key.value, value)
            if key.value in seen:
                Value(self.file, below.place, key).fail("given twice", "Remove one of them.")
            seen.add(key.value)
            yield key.value, below

    def fields(self, *names: str) -> Dict[str, Value]:
        """The entries of a mapping that has no others than these. Empty ones are left out."""
        found = dict(self.entries())
        for name, value in found.items():
            if name not in names:
                value.fail("unknown key", f"Use one of: {', '.join(names)}.")
        return {name: value for name, value in found.items() if not value.is_null()}

    def items(self) -> List[Value]:
        """The items of a list; an empty value has none, and a single value is a list of one."""
        if self.is_null():
            return []
        if not isinstance(self.node, yaml.SequenceNode):
            return [self]
        return [Value(self.file, f"{self.place}[{at}]", node) for at, node in enumerate(self.node.value)]

    def text(self, pattern: str = r"[^\x00-\x1f\x7f]*", what: str = "text of one line") -> str:
        """A text that has the pattern."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null():
            self._wrong(what)
        if not re.fullmatch(pattern, self.node.value) or len(self.node.value) > 4096:
            self._wrong(what)
        return str(self.node.value)

    def number(self, allowed: range) -> int:
        """A whole number."""
        what = f"a whole number from {allowed.start} to {allowed.stop - 1}"
        text = self.text(r"[0-9]{1,9}", what)
        if int(text) not in allowed:
            self._wrong(what)
        return int(text)

    def seconds(self, most: float) -> float:
        """A time span."""
        what = f"a number of seconds from 0 to {most:g}"
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
        """An IP address."""
        try:
            return ipaddress.ip_address(self.text())
        except ValueError:
            self._wrong("an IP address")

    def network(self) -> Network:
        """A network as ADDRESS/LENGTH."""
        try:
            return ipaddress.ip_network(self.text())
        except ValueError:
            self._wrong("a network, such as 10.0.0.0/16, whose address has no bits after its length")

    def listener(self) -> Tuple[str, int]:
        """An address and a port: `127.0.0.1:22`, `[::1]:22`."""
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

    def at(self, path: Tuple[Union[str, int], ...]) -> Value:
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


def _step(value: Value, step: Union[str, int]) -> Optional[Value]:
    if isinstance(step, int):
        items = value.items()
        return items[step] if step < len(items) else None
    return dict(value.entries()).get(step) if value.is_mapping() else None
