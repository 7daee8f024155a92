# SPDX-License-Identifier: Apache-2.0
"""The text of a world file as YAML nodes, within bounds: YAML 1.1 without tags and merge keys, or JSON."""

from __future__ import annotations

import json
from typing import List, Optional, Tuple, Union

import yaml
from yaml.reader import ReaderError

MAX_FILE = 1024 * 1024  # bytes; PyYAML needs about six seconds for so many
MAX_NODES = 50_000  # an alias counts each time that it is used
MAX_DEPTH = 40
_TOO_MANY = f"more than {MAX_NODES} values"
_TOO_DEEP = f"more than {MAX_DEPTH} levels"
_MERGE = "tag:yaml.org,2002:merge"


class WorldError(ValueError):
    """A world file is invalid. The message is `FILE:LINE: PLACE: problem (value). Remedy.`, one line."""


def compose(content: bytes, name: str) -> yaml.Node:
    """The top node of the document in `content`; `name` is that of its file. Raises WorldError."""
    if len(content) > MAX_FILE:
        raise WorldError(f"{name}: the file has over {MAX_FILE} bytes. Use a smaller one.")
    loader = _load(_text(content, name), name)
    try:
        node = loader.get_single_node()
        if node is not None:
            _check(node)
    except yaml.MarkedYAMLError as error:
        problem = ": ".join(part for part in (error.context, error.problem) if part)
        raise _not_yaml(name, error.problem_mark.line if error.problem_mark else 0, problem) from None
    except (ValueError, OverflowError):  # such as "\UFFFFFFFF"
        raise _not_yaml(name, loader.line, "an escape that is not a character, or a number too large") from None
    except _OutOfBounds as error:
        raise _invalid(name, error.line, error.problem, error.remedy) from None
    if node is None:
        raise WorldError(f"{name}: the file is empty. Describe at least one account.")
    return node


def _text(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problem = f"not UTF-8 (byte 0x{content[error.start]:02x})"
        raise WorldError(f"{name}:{line}: {problem}. Save the file as UTF-8.") from None
    return text.replace("\t", " ") if _is_json(text) else text


def _is_json(text: str) -> bool:
    """JSON has tabs only between values, where PyYAML rejects them."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class _OutOfBounds(Exception):
    """Valid YAML, but not within the bounds; `line` counts from 0."""

    def __init__(self, node: Union[yaml.Event, yaml.Node], problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.line = node.start_mark.line if node.start_mark else 0
        self.problem = problem
        self.remedy = remedy


class _Loader(yaml.SafeLoader):
    """Stops at the first tag, and when there are too many nodes or levels, not only when the file is read."""

    depth = count = 0

    def compose_node(self, parent: Optional[yaml.Node], index: int) -> Optional[yaml.Node]:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call] # the stubs lack its type
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _OutOfBounds(event, f"a tag ({tag[:64]!r})", "Remove it; put text in quotes.")
        self.depth += 1
        self.count += 1
        if self.depth > MAX_DEPTH:
            raise _OutOfBounds(event, _TOO_DEEP, "Use fewer.")
        if self.count > MAX_NODES:
            raise _OutOfBounds(event, _TOO_MANY, "Use a smaller world.")
        node: Optional[yaml.Node] = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _load(text: str, name: str) -> _Loader:
    try:
        return _Loader(text)
    except ReaderError as error:
        line = text[: error.position].count("\n")
        raise _not_yaml(name, line, f"the character U+{ord(text[error.position]):04X} is not allowed") from None


def _not_yaml(name: str, line: int, problem: str) -> WorldError:
    remedy = "Indent with spaces, not with tabs." if r"'\t'" in problem else "Correct the line."
    return _invalid(name, line, f"not YAML ({problem})", remedy)


def _invalid(name: str, line: int, problem: str, remedy: str) -> WorldError:
    """`line` counts from 0."""
    return WorldError(f"{name}:{line + 1}: {problem}. {remedy}")


def _check(top: yaml.Node) -> None:
    """Visits each node as often as it is used; joins the surrogate pairs with which JSON writes some characters."""
    pending: List[Tuple[yaml.Node, int]] = [(top, 1)]
    count = 0
    while pending:
        node, depth = pending.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise _OutOfBounds(node, f"{_TOO_DEEP}, with aliases", "Use fewer.")
        if count + len(pending) > MAX_NODES:
            raise _OutOfBounds(node, f"{_TOO_MANY}, with aliases", "Use a smaller world.")
        if node.tag == _MERGE:
            raise _OutOfBounds(node, "a merge key (<<)", "Write out what it stands for.")
        if isinstance(node, yaml.MappingNode):
            pending += [(child, depth + 1) for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            pending += [(child, depth + 1) for child in node.value]
        else:
            _join_surrogates(node)


def _join_surrogates(node: yaml.Node) -> None:
    try:
        node.value = node.value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _OutOfBounds(node, "half of a surrogate pair", "Write the character itself.") from None
