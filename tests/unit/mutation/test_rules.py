# SPDX-License-Identifier: Apache-2.0
"""The rules by which `make mutate` changes the decision's code."""

from __future__ import annotations

from typing import Set

import pytest

from tests.mutation import rules

CHANGES = [
    ("def f(a):\n    if a < 1:\n        raise ValueError(1)\n", {"if a <= 1:", "if a >= 1:", "if True:", "if False:"}),
    ("def f(a):\n    if a < 1:\n        raise ValueError(1)\n", {"if a < 2:", "if a < (0):", "pass"}),
    ("x = a in b\n", {"x = a not in b", "x = True", "x = False"}),
    ("x = a is not None\n", {"x = a is None"}),
    ("x = 1 < a <= 9\n", {"x = ((1 < a))", "x = ((a <= 9))", "x = 1 < a < 9", "x = 1 <= a <= 9"}),
    ("x = a and b or c\n", {"x = ((c))", "x = ((a and b))", "x = ((b)) or c", "x = ((a)) or c"}),
    ("x = not a\n", {"x = bool(a)"}),
    ("x = a + b\n", {"x = (a)", "x = (b)"}),
    ("x = min(a, b)\n", {"x = max(a, b)"}),
    ("x = re.fullmatch(r'a{2,30}', b)\n", {"x = re.match(r'a{2,30}', b)", "x = re.fullmatch(r'a{2,31}', b)"}),
    ("x = run(['a', '-b', c, '-d'], env={})\n", {"x = run(['a', '-d'], env={})", "x = run(['a', '-b', c], env={})"}),
    ("x = run(['a', '-b', c, '-d'], env={})\n", {"x = run(['a', '-b', c, '-d'])"}),
    ("def f():\n    check(1)\n", {"pass"}),
    ("def f(a):\n    if a:\n        return 1\n    return 2\n", {"if False:", "if not (a):"}),
    (
        "try:\n    f()\nexcept (A, B):\n    g()\n",
        {"try: f() except ()", "try: f() except (A, )", "try: f() except (B, )"},
    ),
    ("x = [a for a in b if a > c]\n", {"x = [a for a in b if True]"}),
    ("x = a if b else c\n", {"x = (a)", "x = (c)"}),
    ("X = ('a', 'b')\n", {"X = ('a', )", "X = ('b', )"}),
    ("def f(a=True):\n    return a\n", {"def f(a=False):"}),
]


@pytest.mark.parametrize(("source", "expected"), CHANGES)
def test_mutation_rule_makes_its_mutants(source: str, expected: Set[str]) -> None:
    assert expected <= {mutant.now for mutant in rules.mutants("m.py", source)}


@pytest.mark.parametrize(
    "source",
    [
        '"""a > 1"""\n',
        "import a\n",
        "if TYPE_CHECKING:\n    x = 1\n",
        'if __name__ == "__main__":\n    main()\n',
        "x: Dict[int, Tuple[str, str]]\n",
        "X = Callable[[int, bool], None]\n",
        'x = f"{a + 1}"\n',
    ],
)
def test_statements_that_decide_nothing_are_not_mutated(source: str) -> None:
    assert rules.mutants("m.py", source) == []


def test_every_mutant_differs_from_the_original() -> None:
    source = "def f(a):\n    return a == 1 and not a\n"
    found = [mutant.source for mutant in rules.mutants("m.py", source)]
    assert source not in found
    assert len(set(found)) == len(found)


def test_mutant_by_hand_must_match_exactly_once() -> None:
    source = "x = 1\nif a:\n    y = 1\n"
    mutant = rules.replaced("m.py", source, "y = 1", "y = 2")
    assert (mutant.was, mutant.now, mutant.first) == ("y = 1", "y = 2", 3)
    for old in ("= 1", "z"):
        with pytest.raises(ValueError, match="times"):
            rules.replaced("m.py", source, old, "")
