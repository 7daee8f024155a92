# SPDX-License-Identifier: Apache-2.0
"""The errors that a service answers."""

from __future__ import annotations


class ServiceError(Exception):
    """An error that the service answers: its name, its message, its HTTP status."""

    def __init__(self, name: str, message: str, status: int = 400) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
        self.status = status
