# SPDX-License-Identifier: Apache-2.0
"""Mutants of a module, made by rule from its syntax tree.

Left out is what decides nothing: annotations, docstrings, what is raised (its text and its arguments), f-strings, and
what only type checkers or a start as a program read.
"""

from __future__ import annotations

import ast
import re
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Type, Union

_Expression = ast.expr


class Mutant(NamedTuple):
    """One change of one module. `was` and `now` are the statement that it is in, on one line, before and after.

    `first` and `last` are that statement's lines (of a compound statement: of its head); `at_import` says that it runs
    when the module is loaded; `source` is the whole changed module. Two mutants of the same `identity` differ in
    nothing but their place.
    """

    module: str
    function: str
    rule: str
    was: str
    now: str
    first: int
    last: int
    at_import: bool
    source: str

    @property
    def identity(self) -> Tuple[str, str, str, str]:
        return self.module, self.function, self.was, self.now


class Edit(NamedTuple):
    """Bytes `start` to `end` of the source become `text`."""

    rule: str
    start: int
    end: int
    text: str


def mutants(module: str, source: str) -> List[Mutant]:
    """Every mutant of `source` that compiles to something else, each once."""
    tree = ast.parse(source)
    maker = _Maker(source)
    seen = {ast.dump(tree)}
    found = []
    for place in _statements(tree.body, "", True):
        for edit in maker.edits(place.statement):
            mutant = _mutant(module, maker, place, edit)
            try:
                changed = ast.dump(ast.parse(mutant.source))
                compile(mutant.source, module, "exec")
            except SyntaxError:
                continue  # a rule does not fit everywhere: `except ():` may leave nothing behind
            if changed not in seen:
                seen.add(changed)
                found.append(mutant)
    return found


class Place(NamedTuple):
    """A statement, and the qualified name of the function or class that it is in ("" for the module)."""

    statement: ast.stmt
    function: str
    at_import: bool


def replaced(module: str, source: str, old: str, new: str) -> Mutant:
    """The mutant that has `new` in the place of `old`. Raises ValueError unless `old` is there, and once."""
    if source.count(old) != 1:
        raise ValueError(f"{module} has {old!r} {source.count(old)} times, and not once")
    start = len(source[: source.index(old)].encode())
    line = source[: source.index(old)].count("\n") + 1
    around = [place for place in _statements(ast.parse(source).body, "", True) if _reaches(place.statement, line)]
    # The innermost statement is the last that begins before the line.
    place = around[-1]
    return _mutant(module, _Maker(source), place, Edit("by hand", start, start + len(old.encode()), new))


def _reaches(statement: ast.stmt, line: int) -> bool:
    return statement.lineno <= line <= (statement.end_lineno or statement.lineno)


def head(statement: ast.stmt) -> Tuple[int, int]:
    """The first and the last line of a statement, or of the head of a compound one."""
    body: Optional[Sequence[ast.AST]] = getattr(statement, "body", None)
    if not body:
        return statement.lineno, statement.end_lineno or statement.lineno
    first = body[0]
    decorators = getattr(first, "decorator_list", [])
    below = min([_line(first), *(one.lineno for one in decorators)])
    return statement.lineno, max(statement.lineno, below - 1)


def _line(node: ast.AST) -> int:
    number: int = getattr(node, "lineno", 1)
    return number


def _statements(body: Sequence[ast.stmt], function: str, at_import: bool) -> Iterator[Place]:
    for statement in body:
        if isinstance(statement, ast.If) and _is_for_others(statement.test):
            continue
        yield Place(statement, function, at_import)
        inner = function
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            inner = f"{function}.{statement.name}".lstrip(".")
        runs = at_import and not isinstance(statement, ast.FunctionDef)
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, name, []), inner, runs)
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body, inner, runs)


def _is_for_others(test: _Expression) -> bool:
    """`if TYPE_CHECKING:` and `if __name__ == "__main__":`."""
    names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    return bool(names & {"TYPE_CHECKING", "__name__"})


def _mutant(module: str, maker: _Maker, place: Place, edit: Edit) -> Mutant:
    first, last = head(place.statement)
    begin, end = maker.line_start(first), maker.line_start(last + 1)
    begin, end = min(begin, edit.start), max(end, edit.end)
    raw, text = maker.raw, edit.text.encode()
    changed = raw[: edit.start] + text + raw[edit.end :]
    was, now = raw[begin:end], raw[begin : edit.start] + text + raw[edit.end : end]
    texts = _one_line(was), _one_line(now)
    return Mutant(module, place.function, edit.rule, *texts, first, last, place.at_import, changed.decode())


def _one_line(text: bytes) -> str:
    lines = (re.sub(r"\s+#(?= ).*", "", line) for line in text.decode().splitlines())
    return " ".join(" ".join(lines).split())


# What each comparison becomes when it is inverted, and when its bound is moved by one.
_INVERTED = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: ">=", ast.GtE: "<", ast.Gt: "<=", ast.LtE: ">", ast.In: "not in",
    ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
_MOVED = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_WRITTEN = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.GtE: ">=", ast.Gt: ">", ast.LtE: "<=", ast.In: "in",
    ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not",
}  # fmt: skip
_SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_LEAVES = (ast.Return, ast.Continue, ast.Break, ast.Raise)


class _Maker:
    """Makes the edits of one source's statements."""

    def __init__(self, source: str) -> None:
        self.raw = source.encode()
        self._starts = [0]
        for line in self.raw.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def line_start(self, line: int) -> int:
        """The offset at which the line of that number (from 1) begins."""
        return self._starts[min(line - 1, len(self._starts) - 1)]

    def edits(self, statement: ast.stmt) -> Iterator[Edit]:
        """The edits of a statement itself, not of the statements within it."""
        if isinstance(statement, ast.Raise):
            yield self._over("raise removed", statement, "pass")
            return
        if isinstance(statement, ast.AugAssign):
            yield self._over("statement removed", statement, "pass")
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield self._over("call removed", statement, "pass")
        if isinstance(statement, ast.If):
            yield from self._guard(statement)
        if isinstance(statement, ast.Try):
            for handler in statement.handlers:
                yield from self._handler(handler)
        at_top = statement.col_offset == 0
        for expression in _expressions(statement):
            yield from self._within(expression, at_top)

    def _guard(self, statement: ast.If) -> Iterator[Edit]:
        """A condition that lets one leave never holds; one that is no comparison is inverted."""
        only_raises = len(statement.body) == 1 and isinstance(statement.body[0], ast.Raise)
        if isinstance(statement.body[-1], _LEAVES) and not only_raises:
            yield self._over("guard removed", statement.test, "False")
        if not isinstance(statement.test, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
            yield self._over("condition inverted", statement.test, f"not ({self._text(statement.test)})")

    def _handler(self, handler: ast.ExceptHandler) -> Iterator[Edit]:
        if handler.type is not None:
            yield self._over("handler removed", handler.type, "()")
        if isinstance(handler.type, ast.Tuple):
            yield from self._members(handler.type)

    def _within(self, node: ast.AST, at_top: bool) -> Iterator[Edit]:
        """The edits of an expression and all that is in it; `at_top`: of the module, where tuples are tables."""
        if isinstance(node, (ast.JoinedStr, ast.Constant)):
            yield from self._constant(node)
            return
        for kind, rule in self._rules():
            if isinstance(node, kind):
                yield from rule(node)
        if isinstance(node, ast.Set) or (at_top and isinstance(node, ast.Tuple)):
            yield from self._members(node)
        for child in ast.iter_child_nodes(node):
            yield from self._within(child, at_top)

    def _rules(self) -> List[Tuple[Type[ast.AST], Callable[..., Iterator[Edit]]]]:
        return [
            (ast.Compare, self._compare), (ast.BoolOp, self._bool_op), (ast.UnaryOp, self._unary_op),
            (ast.BinOp, self._bin_op), (ast.Call, self._call), (ast.IfExp, self._if_expression),
            (ast.List, self._options), (ast.comprehension, self._comprehension),
        ]  # fmt: skip

    def _constant(self, node: Union[ast.JoinedStr, ast.Constant]) -> Iterator[Edit]:
        value = getattr(node, "value", "")
        if isinstance(value, bool):
            yield self._over("constant inverted", node, str(not value))
        elif isinstance(value, int):
            yield self._over("off by one", node, str(value + 1))
            yield self._over("off by one", node, f"({value - 1})")
        elif isinstance(value, float):
            yield self._over("off by one", node, str(value + 1))
        elif isinstance(value, (str, bytes)):
            yield from self._quantifiers(node)

    def _quantifiers(self, node: _Expression) -> Iterator[Edit]:
        """The bounds in the quantifiers of a regular expression, `{0,30}`."""
        start = self._span(node)[0]
        braces = r"\{\{([0-9]+)(?:,([0-9]*))?\}\}" if isinstance(node, ast.JoinedStr) else r"\{([0-9]+)(?:,([0-9]*))?\}"
        for match in re.finditer(braces.encode(), self.raw[slice(*self._span(node))]):
            for group in (1, 2):
                if match.group(group):
                    number = int(match.group(group))
                    for other in (number + 1, number - 1):
                        if other >= 0:
                            yield Edit("off by one", start + match.start(group), start + match.end(group), str(other))

    def _compare(self, node: ast.Compare) -> Iterator[Edit]:
        yield self._over("comparison always true", node, "True")
        yield self._over("comparison always false", node, "False")
        operands = [node.left, *node.comparators]
        for at, operator in enumerate(node.ops):
            between = (self._span(operands[at])[1], self._span(operands[at + 1])[0])
            written = re.escape(_WRITTEN[type(operator)]).replace(r"\ ", r"\s+").encode()
            match = re.search(written, self.raw[slice(*between)])
            assert match is not None
            start, end = between[0] + match.start(), between[0] + match.end()
            yield Edit("comparison inverted", start, end, _INVERTED[type(operator)])
            if type(operator) in _MOVED:
                yield Edit("bound moved", start, end, _MOVED[type(operator)])
            if isinstance(operator, (ast.In, ast.NotIn)) and isinstance(operands[at + 1], (ast.Tuple, ast.Set)):
                yield from self._members(operands[at + 1])
        if len(node.ops) > 1:
            parts = [f"({self._between(one, other)})" for one, other in zip(operands, operands[1:])]
            yield from self._without_one("comparison dropped", node, parts, " and ")

    def _bool_op(self, node: ast.BoolOp) -> Iterator[Edit]:
        word = " and " if isinstance(node.op, ast.And) else " or "
        yield from self._without_one("operand dropped", node, [f"({self._text(one)})" for one in node.values], word)

    def _unary_op(self, node: ast.UnaryOp) -> Iterator[Edit]:
        if isinstance(node.op, ast.Not):
            yield self._over("not removed", node, f"bool({self._text(node.operand)})")

    def _bin_op(self, node: ast.BinOp) -> Iterator[Edit]:
        if isinstance(node.op, (ast.Add, ast.Sub, ast.BitAnd, ast.BitOr)):
            for side in (node.left, node.right):
                if not isinstance(side, (ast.JoinedStr, ast.List)) and not _is_text(side):
                    yield self._over("operand dropped", node, f"({self._text(side)})")

    def _call(self, node: ast.Call) -> Iterator[Edit]:
        function = node.func
        if isinstance(function, ast.Name) and function.id in _SWAPPED:
            yield self._over("function swapped", function, _SWAPPED[function.id])
        if isinstance(function, ast.Attribute) and function.attr == "fullmatch":
            yield self._over("pattern not anchored", function, f"{self._text(function.value)}.match")
        if isinstance(function, ast.Attribute) and function.attr == "suppress":
            parts = [self._text(one) for one in node.args]
            for at in range(len(parts)):
                rest = ", ".join(parts[:at] + parts[at + 1 :])
                yield self._over("handler removed", node, f"{self._text(function)}({rest})")
        arguments = [*node.args, *node.keywords]
        for keyword in node.keywords:
            if keyword.arg is not None and len(arguments) > 1:
                rest = ", ".join(self._text(one) for one in arguments if one is not keyword)
                yield self._over("keyword dropped", node, f"{self._text(function)}({rest})")

    def _if_expression(self, node: ast.IfExp) -> Iterator[Edit]:
        yield self._over("always the first", node, f"({self._text(node.body)})")
        yield self._over("always the second", node, f"({self._text(node.orelse)})")

    def _comprehension(self, node: ast.comprehension) -> Iterator[Edit]:
        for test in node.ifs:
            yield self._over("filter removed", test, "True")

    def _options(self, node: ast.List) -> Iterator[Edit]:
        """Each option of a command, with its argument, dropped."""
        parts = [(self._text(one), _is_option(one)) for one in node.elts]
        for at, (_, is_option) in enumerate(parts):
            if is_option:
                end = at + 1
                while end < len(parts) and not parts[end][1]:
                    end += 1
                rest = ", ".join(text for text, _ in parts[:at] + parts[end:])
                yield self._over("option dropped", node, f"[{rest}]")

    def _members(self, node: ast.AST) -> Iterator[Edit]:
        """Each member of a tuple or a set dropped."""
        members: List[_Expression] = getattr(node, "elts", [])
        for at in range(len(members) if len(members) > 1 else 0):
            rest = "".join(f"{self._text(one)}, " for one in members[:at] + members[at + 1 :])
            yield self._over("member dropped", node, f"{{{rest}}}" if isinstance(node, ast.Set) else f"({rest})")

    def _without_one(self, rule: str, node: ast.AST, parts: List[str], word: str) -> Iterator[Edit]:
        for at in range(len(parts)):
            yield self._over(rule, node, f"({word.join(parts[:at] + parts[at + 1 :])})")

    def _over(self, rule: str, node: ast.AST, text: str) -> Edit:
        return Edit(rule, *self._span(node), text)

    def _span(self, node: ast.AST) -> Tuple[int, int]:
        place = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        return self._starts[place[0] - 1] + place[1], self._starts[place[2] - 1] + place[3]

    def _text(self, node: ast.AST) -> str:
        return self.raw[slice(*self._span(node))].decode()

    def _between(self, first: ast.AST, last: ast.AST) -> str:
        return self.raw[self._span(first)[0] : self._span(last)[1]].decode()


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement's own that are worked out when it runs."""
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.ClassDef, ast.Global, ast.Nonlocal, ast.Assert)):
        return
    if isinstance(statement, ast.FunctionDef):
        yield from (one for one in (*statement.args.defaults, *statement.args.kw_defaults) if one is not None)
        return
    if isinstance(statement, ast.AnnAssign):
        yield from (one for one in [statement.value] if one is not None)
        return
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return  # a docstring
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Subscript) and _is_type(statement.value):
        return
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, (ast.stmt, ast.ExceptHandler)):
            yield child


def _is_type(node: ast.Subscript) -> bool:
    """Whether this is a type's other name, as `Callable[[], int]`."""
    return isinstance(node.value, ast.Name) and node.value.id[:1].isupper()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))


def _is_option(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("-")
