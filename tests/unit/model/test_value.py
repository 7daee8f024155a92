# SPDX-License-Identifier: Apache-2.0
"""Value classes behave as those of typing.NamedTuple."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Tuple

import pytest

from eic_sshd.model.value import Value


class Ours(Value):
    """A place."""

    name: str
    number: int = 3
    note: Optional[str] = None

    @property
    def doubled(self) -> int:
        return self.number * 2


class Theirs(NamedTuple):
    """A place."""

    name: str
    number: int = 3
    note: Optional[str] = None

    @property
    def doubled(self) -> int:
        return self.number * 2


BOTH = pytest.mark.parametrize("kind", [Ours, Theirs])


@BOTH
@pytest.mark.parametrize(
    ("positional", "named", "expected"),
    [
        (("a",), {}, ("a", 3, None)),
        (("a", 4), {}, ("a", 4, None)),
        (("a", 4, "b"), {}, ("a", 4, "b")),
        ((), {"name": "a"}, ("a", 3, None)),
        ((), {"note": "n", "name": "a"}, ("a", 3, "n")),
        (("a",), {"note": "n"}, ("a", 3, "n")),
        (("a", 1), {"note": "n"}, ("a", 1, "n")),
    ],
)
def test_value_takes_fields_by_place_and_by_name(
    kind: Any, positional: Tuple[Any, ...], named: Any, expected: Any
) -> None:
    made = kind(*positional, **named)
    assert tuple(made) == expected
    assert (made.name, made.number, made.note) == expected
    assert made.doubled == expected[1] * 2


@BOTH
@pytest.mark.parametrize(
    ("positional", "named"),
    [
        ((), {}),
        ((), {"number": 1}),
        (("a", 1, "n", "x"), {}),
        (("a",), {"name": "b"}),
        (("a", 1, "n"), {"note": "m"}),
        (("a",), {"other": 1}),
        (("a", 1, "n"), {"other": 1}),
    ],
)
def test_missing_repeated_or_unknown_fields_are_a_type_error(
    kind: Any, positional: Tuple[Any, ...], named: Any
) -> None:
    with pytest.raises(TypeError):
        kind(*positional, **named)


@BOTH
def test_value_cannot_be_changed(kind: Any) -> None:
    made = kind("a")
    with pytest.raises(AttributeError):
        made.name = "b"
    with pytest.raises(AttributeError):
        made.other = "b"
    assert made == ("a", 3, None)


@BOTH
def test_replace_changes_the_named_fields_of_another_value(kind: Any) -> None:
    made = kind("a", 1, "n")
    changed = made._replace(number=2)
    assert type(changed) is kind
    assert (tuple(made), tuple(changed)) == (("a", 1, "n"), ("a", 2, "n"))
    with pytest.raises((TypeError, ValueError)):
        made._replace(other=1)


@BOTH
def test_equal_values_are_equal_hash_alike_and_show_their_fields(kind: Any) -> None:
    assert kind("a") == kind("a", 3)
    assert kind("a") != kind("b")
    assert len({kind("a"), kind("a", 3), kind("b")}) == 2
    assert repr(kind("a")) == f"{kind.__name__}(name='a', number=3, note=None)"
    assert kind("a")._asdict() == {"name": "a", "number": 3, "note": None}
    assert kind._fields == ("name", "number", "note")
    assert kind._field_defaults == {"number": 3, "note": None}
    assert kind.__doc__ == "A place."


@BOTH
def test_class_based_on_a_value_class_adds_no_field(kind: Any) -> None:
    class More(kind):  # type: ignore[misc]
        extra: int

        def __init__(self, *_: Any) -> None:
            self.extra = 7

    assert More._fields == ("name", "number", "note")
    made = More("a", 4)
    assert (tuple(made), made.extra, made.doubled) == (("a", 4, None), 7, 8)
