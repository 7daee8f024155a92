# SPDX-License-Identifier: Apache-2.0
"""How the settings of eic-sshd.conf are declared: a class for each section, an attribute for each setting.

    class KeysSettings(Section, name="keys"):
        '''Which keys may log in.'''

        window = Setting(whole_number(1, 3600), "60", "How long a pushed key is valid after the push.", unit="seconds")

KeysSettings.window is the declaration: the parser, the default value, the text of the manual. On an instance,
KeysSettings(window=30).window is the value, and its type is that of the parser.
"""

from __future__ import annotations

import re
from typing import Callable, ClassVar, Dict, Generic, Mapping, Optional, Tuple, Type, TypeVar, Union, overload

Value = TypeVar("Value", covariant=True)

Values = Mapping[str, Mapping[str, object]]
"""The values that are set, by header and setting: {"keys": {"window": 30}, 'policy "x"': {...}}."""

# The name in a header such as [policy "x"]: characters other than a double quote, and no blank at either end.
_NAME = r' +"([^"\s](?:[^"]{0,62}[^"\s])?)"'
_CONTROL = r"[\0-\x08\x0b-\x1f\x7f]"  # but for tab and newline


class Setting(Generic[Value]):
    """The declaration of one setting.

    `parse` gives the value of a text, or raises ValueError with a sentence that says what to write; `default` is a
    text. `several_lines` says that a value may continue on indented lines, which are joined by newlines.
    """

    def __init__(
        self, parse: Callable[[str], Value], default: str, help: str, *, unit: str = "", several_lines: bool = False
    ) -> None:
        self.name = ""
        self._parse = parse
        self.default = default
        self.help = help
        self.unit = unit
        self.several_lines = several_lines

    def __set_name__(self, owner: Type[Section], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: Type[Section]) -> Setting[Value]: ...

    @overload
    def __get__(self, instance: Section, owner: Type[Section]) -> Value: ...

    def __get__(self, instance: Optional[Section], owner: Type[Section]) -> Union[Setting[Value], Value]:
        # An instance has its values in its __dict__, where Python looks first.
        return self if instance is None else self.parse(self.default)

    def parse(self, text: str) -> Value:
        """The value that `text` means.

        Raises:
            ValueError: if it means none; says what to write, in a sentence without its full stop.
        """
        if "\n" in text and not self.several_lines:
            raise ValueError("Use one line, and do not indent the line after it")
        if not text.isprintable() and re.search(_CONTROL, text):
            raise ValueError("Remove the control characters")
        try:
            return self._parse(text)
        except ValueError as error:
            sentence = str(error)
            unit = f" ({self.unit})" if self.unit else ""
            raise ValueError(f"{sentence[:1].upper()}{sentence[1:]}{unit}") from None


class Section:
    """The values of one section; immutable. A subclass declares the section; its docstring is for the manual.

    A section that `repeats` may be there any number of times, each time with another name: [policy "x"].
    """

    name: ClassVar[str]
    repeats: ClassVar[bool]
    settings: ClassVar[Tuple[Setting[object], ...]]

    def __init_subclass__(cls, *, name: str, repeats: bool = False) -> None:
        cls.name, cls.repeats = name, repeats
        cls.settings = tuple(one for one in vars(cls).values() if isinstance(one, Setting))

    def __init__(self, **values: object) -> None:
        """Settings that are not in `values` have their defaults."""
        unknown = values.keys() - {setting.name for setting in self.settings}
        if unknown:
            raise TypeError(f"[{self.name}] has no setting {min(unknown)}")
        for setting in self.settings:
            given = setting.name in values
            vars(self)[setting.name] = values[setting.name] if given else setting.parse(setting.default)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"[{self.name}] {name}: settings are immutable")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    @classmethod
    def of(cls: Type[AnySection], values: Values) -> AnySection:
        """This section of a configuration with these values."""
        return cls(**values.get(cls.name, {}))

    @classmethod
    def each_of(cls: Type[AnySection], values: Values) -> Dict[str, AnySection]:
        """The sections of a kind that repeats, by their names."""
        headers = {header: cls.name_in(header) for header in values if header.startswith(f"{cls.name} ")}
        return {name: cls(**values[header]) for header, name in headers.items()}

    @classmethod
    def header(cls, name: str = "") -> str:
        """What is between the brackets: `keys`, `policy "x"`."""
        return f'{cls.name} "{name}"' if cls.repeats else cls.name

    @classmethod
    def name_in(cls, header: str) -> str:
        """The name in `header`, whose first word is that of this section: x in `policy "x"`; empty where none is due.

        Raises:
            ValueError: if there is no valid name, or one that is not due; says what to write.
        """
        if not cls.repeats:
            if header != cls.name:
                raise ValueError(f"Write [{cls.name}]")
            return ""
        name = re.fullmatch(_NAME, header[len(cls.name) :])
        if not name or not header.isprintable():
            raise ValueError(f'Write [{cls.name} "NAME"], with 1 to 64 printable characters as the name')
        return name.group(1)


# Below the class: a bound that is a text would be compiled, which takes a process that decides by itself 0.6 ms.
AnySection = TypeVar("AnySection", bound=Section)
