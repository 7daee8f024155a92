# SPDX-License-Identifier: Apache-2.0
"""How a change is reported to the administrator who makes it."""

from __future__ import annotations

from typing import Callable

# Takes a sentence, without the program's name.
Report = Callable[[str], None]
