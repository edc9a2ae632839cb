"""What a section of the check notes: measured values, and what it requires of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

DIGITS = 4  # significant, of measured values


class Skipped(Exception):
    """The section cannot run here; the text says why."""


class Record:
    """Takes a section's values and passes each on at once, so that a section that is cut keeps them."""

    def __init__(self, send: Callable[[tuple[str, str, Any]], None]) -> None:
        """send: takes (kind, name, value); kind is `value`, `failed` or `skipped`."""
        self._send = send

    def note(self, **values: Any) -> None:
        """Keep measured values: JSON values, units in their names."""
        for name, value in values.items():
            self._send(("value", name, _rounded(value)))

    def at_most(self, bound: float, **values: float) -> None:
        """Keep values; the check fails where one is larger, or not a number."""
        for name, value in values.items():
            self.note(**{name: value})
            if not value <= bound:  # not `>`: a nan must not pass
                self.failed(name, f"{value:.{DIGITS}g}, more than {bound:g}")

    def at_least(self, bound: float, **values: float) -> None:
        """Keep values; the check fails where one is smaller, or not a number."""
        for name, value in values.items():
            self.note(**{name: value})
            if not value >= bound:
                self.failed(name, f"{value:.{DIGITS}g}, less than {bound:g}")

    def true(self, **values: bool) -> None:
        """Keep values; the check fails where one is false."""
        for name, value in values.items():
            self.note(**{name: bool(value)})
            if not value:
                self.failed(name, "false")

    def failed(self, name: str, what: str) -> None:
        """The check fails."""
        self._send(("failed", name, what))

    def skipped(self, reason: str) -> None:
        """The section did not run, or not to its end."""
        self._send(("skipped", "", reason))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return value
