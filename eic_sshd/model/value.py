# SPDX-License-Identifier: Apache-2.0
"""Immutable values with named fields, whose classes are made quickly.

`class A(Value)` means what `class A(typing.NamedTuple)` means, and is that to a type checker. typing compiles source
text for each class and each annotation: 0.2 ms a class, where a bare Python starts in 8 ms
(docs/decisions/02-values.md).
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

__all__ = ["Value"]

if TYPE_CHECKING:
    from typing import NamedTuple as Value
else:

    class _Fields(type):
        """Makes the annotations of a class its fields, in their order; what one is set to is its default.

        A class that is based on one with fields has no more of them: it only adds methods and attributes.
        """

        def __new__(cls, name, bases, body):
            if any(getattr(base, "_fields", ()) for base in bases):
                return super().__new__(cls, name, bases, body)
            names = tuple(body.get("__annotations__", ()))
            body["_field_defaults"] = {field: body[field] for field in names if field in body}
            body.update({field: property(itemgetter(at)) for at, field in enumerate(names)})
            return super().__new__(cls, name, bases, {**body, "_fields": names, "__slots__": ()})

    class Value(tuple, metaclass=_Fields):
        """The base of such classes."""

        def __new__(cls, *values, **named):
            """Raises TypeError unless each field without a default gets one value."""
            if named or len(values) != len(cls._fields):
                values = cls._complete(values, named)
            return super().__new__(cls, values)

        @classmethod
        def _complete(cls, values, named):
            given = dict(zip(cls._fields, values))
            found = {**cls._field_defaults, **given, **named}
            if len(values) > len(cls._fields) or given.keys() & named.keys() or found.keys() != set(cls._fields):
                raise TypeError(f"{cls.__name__} has the fields {cls._fields}, not {values!r:.100}, {named!r:.100}")
            return [found[field] for field in cls._fields]

        def _replace(self, **changed):
            """Another value, with these fields changed. Raises TypeError for a field that there is not."""
            return type(self)(**{**self._asdict(), **changed})

        def _asdict(self):
            return dict(zip(self._fields, self))

        def __repr__(self):
            fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self))
            return f"{type(self).__name__}({fields})"
