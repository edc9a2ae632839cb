"""The saved states of one training: which to resume from, which to delete.

They are in the hidden folder `.<run>.states` beside the run's folder. No rule declares it, so Snakemake never
deletes it. The newest two are kept: if the newest is damaged, the other is used. Including one that is
being written and one set aside as unusable, there are never more than MOST_AT_A_TIME.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from othink_mr1.errors import Damaged, UserError
from othink_mr1.training.training_state import verify_state

KEPT = 2
MOST_AT_A_TIME = KEPT + 2
_STATE, _ASIDE, _GOING = "step-", "unusable-step-", ".going-"


@dataclass(frozen=True)
class SavedState:
    """A state on disk that was found valid, with its manifest."""

    folder: Path
    step: int
    facts: dict[str, Any]


class SavedStates:
    """The states of the run in `run_folder`."""

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder.with_name(f".{run_folder.name}.states")

    def path(self, step: int) -> Path:
        """The path of the state after a step, existing or not."""
        return self.folder / f"{_STATE}{step}"

    def newest(self, refuse: Callable[[SavedState], str | None]) -> SavedState | None:
        """The newest state that is complete and for which `refuse` returns no reason.

        Refused newer states are renamed, and the log says why. `refuse` may raise UserError for a state that
        is sound but cannot be resumed from at present. Then an older one is used; if there is none, the error
        is raised and nothing is changed. A state that cannot be read raises UserError at once.
        """
        if not self.folder.exists():
            return None
        self._sweep()
        refused: list[tuple[int, str]] = []
        unusable: UserError | None = None
        for step in sorted(self._steps(), reverse=True):
            try:
                state = SavedState(self.path(step), step, verify_state(self.path(step)))
            except Damaged as error:
                refused.append((step, str(error)))
                continue
            try:
                reason = refuse(state)
            except UserError as error:
                unusable = unusable or error
                reason = str(error)
            if reason is None:
                self._set_aside(refused)
                return state
            refused.append((step, reason))
        if unusable is not None:
            raise unusable
        self._set_aside(refused)
        return None

    def prune(self) -> None:
        """Delete all states but the newest KEPT."""
        for step in sorted(self._steps(), reverse=True)[KEPT:]:
            self._forget(self.path(step))

    def remove(self) -> None:
        """Delete everything: the run is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _steps(self) -> Iterator[int]:
        for path in self.folder.glob(f"{_STATE}*"):
            number = path.name.removeprefix(_STATE)
            if number.isdecimal():
                yield int(number)

    def _set_aside(self, refused: list[tuple[int, str]]) -> None:
        """Keep the newest of the refused states under another name, and delete the older ones."""
        for number, (step, reason) in enumerate(refused):
            if number == 0:
                for older in self.folder.glob(f"{_ASIDE}*"):
                    self._forget(older)
                aside = self.folder / f"{_ASIDE}{step}"
                self.path(step).rename(aside)
                what = f"{aside}: a state that cannot be used, set aside"
            else:
                self._forget(self.path(step))
                what = f"{self.path(step)}: a state that cannot be used, removed"
            print(f"{what}: {reason}", file=sys.stderr, flush=True)

    def _forget(self, folder: Path) -> None:
        # Renamed first: a half-deleted folder would look like a damaged state.
        going = folder.with_name(f"{_GOING}{folder.name}")
        shutil.rmtree(going, ignore_errors=True)
        folder.rename(going)
        shutil.rmtree(going, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a killed process was writing or deleting."""
        for path in self.folder.glob(".*"):
            shutil.rmtree(path, ignore_errors=True)
