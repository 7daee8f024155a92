# SPDX-License-Identifier: Apache-2.0
"""Changes DER as an attacker would: elements exchanged, doubled, left out, of another type, in lengths that fit again.

For fuzzing only: it knows tags of one byte and definite lengths (X.690), which is all that certificates have.
"""

from __future__ import annotations

from typing import List, NamedTuple, Tuple

from hypothesis import strategies as st

# Universal types, in primitive and constructed form, and context-specific ones.
_TAGS = [*range(1, 31), *range(0x30, 0x32), *range(0x80, 0x8A), *range(0xA0, 0xAA), 0]
# Types of strings: most parsers know some of them only.
_STRINGS = [12, 18, 19, 20, 21, 22, 25, 26, 27, 28, 30]
_CONSTRUCTED = 0x20
_OCTET_STRING = 4
_MAX_DEPTH = 12


class Element(NamedTuple):
    """An element, and its parts where it is made of elements."""

    tag: int
    content: bytes
    parts: Tuple[Element, ...]

    def encoded(self) -> bytes:
        content = b"".join(part.encoded() for part in self.parts) if self.parts else self.content
        length = len(content)
        if length < 0x80:
            return bytes([self.tag, length]) + content
        size = length.to_bytes((length.bit_length() + 7) // 8, "big")
        return bytes([self.tag, 0x80 | len(size)]) + size + content

    def size(self) -> int:
        return 1 + sum(part.size() for part in self.parts)


def parsed(der: bytes, depth: int = 0) -> List[Element]:
    """The elements that `der` is made of; none if it is no DER to the end."""
    found: List[Element] = []
    at = 0
    while at < len(der):
        if at + 2 > len(der):
            return []
        tag, length, start = der[at], der[at + 1], at + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[at + 2 : start], "big")
        at = start + length
        if at > len(der):
            return []
        content = der[start:at]
        # A string of bytes may be made of elements too, as that of an extension is.
        is_made_of_parts = depth < _MAX_DEPTH and (tag & _CONSTRUCTED or tag == _OCTET_STRING)
        parts = parsed(content, depth + 1) if is_made_of_parts else []
        found.append(Element(tag, content, tuple(parts)))
    return found


def changed(ders: List[bytes]) -> st.SearchStrategy[bytes]:
    """One of `ders` with one to three changes; sometimes a byte of it is broken as well."""
    trees = [parsed(der)[0] for der in ders]
    elements = [element for tree in trees for element in _all(tree)]

    @st.composite
    def change(draw: st.DrawFn) -> bytes:
        tree = draw(st.sampled_from(trees))
        for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
            tree = _replaced(tree, draw(st.integers(0, tree.size() - 1)), draw, elements)[0]
        der = tree.encoded()
        if der and draw(st.integers(0, 9)) == 0:
            at = draw(st.integers(0, len(der) - 1))
            der = der[:at] + bytes([draw(st.integers(0, 255))]) + der[at + draw(st.integers(0, 3)) :]
        return der

    return change()


def _all(tree: Element) -> List[Element]:
    return [tree, *(element for part in tree.parts for element in _all(part))]


def _replaced(tree: Element, at: int, draw: st.DrawFn, others: List[Element]) -> Tuple[Element, int]:
    """`tree` with its element number `at`, counted from the top, changed; and what is left to count."""
    if at == 0:
        return _other(tree, draw, others), -1
    at -= 1
    parts: List[Element] = []
    for part in tree.parts:
        if at < 0:
            parts.append(part)
            continue
        size = part.size()
        if at < size:
            how = draw(st.sampled_from(["change", "double", "drop", "swap"])) if at == 0 else "change"
            if how == "change":
                parts.append(_replaced(part, at, draw, others)[0])
            elif how == "double":
                parts += [part, part]
            elif how == "swap":
                parts = [part, *parts]
            at = -1
        else:
            parts.append(part)
            at -= size
    return tree._replace(parts=tuple(parts), content=b"" if not parts else tree.content), at


def _other(element: Element, draw: st.DrawFn, others: List[Element]) -> Element:
    how = draw(st.sampled_from(["tag", "content", "element", "number", "long", "empty"]))
    if how == "tag":
        return element._replace(tag=draw(st.sampled_from(_STRINGS if element.tag in _STRINGS else _TAGS)))
    if how == "element":
        return draw(st.sampled_from(others))
    if how == "long":
        return Element(element.tag, element.content * 40, ())
    if how == "empty":
        return Element(element.tag, b"", ())
    if how == "number":
        return Element(element.tag, draw(st.sampled_from([b"\xff" * 21, b"\x80", b"\0\0", b"\x7f" + b"\xff" * 8])), ())
    return Element(element.tag, draw(st.binary(max_size=24)), ())
