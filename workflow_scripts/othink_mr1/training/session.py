"""A training that can be stopped at any moment and resumed; on the CPU the result is bit-identical.

It logs each step, keeps the study's checkpoints, saves the state at regular intervals (written in the
background) and when the process is told to end, and starts from the newest valid state. With another
execution or number of threads it also resumes, but rounds differently.
"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.artefact import Artefact
from othink_mr1.artefacts.atomic_files import folder_written_aside, sha256_of
from othink_mr1.artefacts.provenance import provenance
from othink_mr1.artefacts.verification import visible_files
from othink_mr1.config.execution import TrainingExecution
from othink_mr1.config.methods import TrainingSettings
from othink_mr1.errors import Interrupted, UserError
from othink_mr1.modeling.device import Stopwatch
from othink_mr1.modeling.processes import ALONE, Processes
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.background_saving import BackgroundWriter, HostCopy, Tensors
from othink_mr1.training.interruption import Interruption, Stop
from othink_mr1.training.optimisation import Optimisation
from othink_mr1.training.saved_states import MOST_AT_A_TIME, SavedState, SavedStates
from othink_mr1.training.sharding import whole
from othink_mr1.training.trackers import OTHERS, TENSORBOARD, make_trackers, tracking
from othink_mr1.training.training_log import TrainingLog, has_columns
from othink_mr1.training.training_state import (
    METRICS,
    Carried,
    require_finite_state,
    restore_state,
    write_state,
)

# For everything but weights: metrics, logs, file system overhead.
MARGIN_BYTES = 64 * 2**20

COMPUTING_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pillow")


class FollowingSession:
    """The session of a process that is not the training's first: it follows, and writes nothing."""

    def __init__(
        self,
        settings: TrainingSettings,
        execution: TrainingExecution,
        follow_a_checkpoint: Callable[[], None],
        processes: Processes,
    ) -> None:
        self._settings, self._execution, self.processes = settings, execution, processes
        self._follow_a_checkpoint = follow_a_checkpoint
        self._optimisation: Optimisation | None = None
        self._interruption = Interruption()
        self.accelerator = new_accelerator(execution.device)
        self.carried = Carried()

    def steps(self, optimisation: Optimisation) -> Iterator[int]:
        """As the first process's."""
        self._optimisation = optimisation
        folder, done = self.processes.told((None, 0))
        if folder is not None:
            self.carried = restore_state(folder, optimisation)
        self.processes.joined([done])
        yield from range(done + 1, self._settings.steps + 1)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Nothing: see finish_step."""
        yield

    def finish_step(
        self, step: int, values: Mapping[str, float | None], carried: Carried | None = None
    ) -> None:
        """Raise Interrupted if any process was told to end, when the first has kept the state."""
        self.carried = carried or Carried()
        if step == self._settings.steps:
            return
        interrupted = self.processes.any_of(self._interruption.requested is not None)
        if step in self._settings.checkpoint_steps and not interrupted:
            self._follow_a_checkpoint()
        if self._execution.sharding != "none" and self.processes.told(None):
            assert self._optimisation is not None
            _follow_a_state(self._optimisation)
        if interrupted:
            self.processes.joined([step])  # srun kills all when one has ended so
            number = self._interruption.requested or signal.SIGTERM
            raise Interrupted(number, "the first process keeps the state")

    @contextmanager
    def watched(self) -> Iterator[FollowingSession]:
        """Note signals within the block."""
        with self._interruption.watched():
            yield self


class TrainingSession:
    """Called by a trainer around its steps. Enter it with `watched`."""

    def __init__(
        self,
        artefact: Artefact,
        facts: Mapping[str, Any],
        log_columns: Sequence[str],
        settings: TrainingSettings,
        execution: TrainingExecution,
        save_checkpoint: Callable[[Path], None],
        name: str,
        processes: Processes = ALONE,
    ) -> None:
        """facts: JSON values that must equal those of a state for it to be used.

        Only for the first of several processes; the others have a FollowingSession.
        """
        self.processes = processes
        self._artefact, self._facts = artefact, dict(facts)
        self._columns, self._settings, self._execution = log_columns, settings, execution
        self._save_checkpoint = save_checkpoint
        self._states = SavedStates(artefact.folder)
        self._writer, self._host_copy = BackgroundWriter(), HostCopy()
        self._interruption = Interruption()
        self._state = self._states.newest(self._reason_against)
        # Files of the existing checkpoints: path in the run's folder -> sha256.
        self._digests: dict[str, str] = dict(self._state.facts["checkpoints"]) if self._state else {}
        self._clean_folder()
        trackers = make_trackers(execution.trackers, artefact.folder, name)
        self.accelerator = new_accelerator(execution.device, trackers)
        earlier = (self._state.folder / METRICS).read_bytes() if self._state else b""
        self._stopwatch = Stopwatch(execution, self._state.facts["wall_seconds"] if self._state else 0.0)
        # The last finished step, and the last one whose state is saved or being written.
        self._done = self._saved = self._state.step if self._state else 0
        self._saved_at = time.monotonic()
        earlier_attempts = self._state.facts["attempts"] if self._state else []
        self._attempts = [*earlier_attempts, self._attempt(earlier_attempts)]
        self._optimisation: Optimisation | None = None
        self.carried = Carried()
        self.log = TrainingLog(
            artefact.folder, name, log_columns, settings.steps, self.accelerator, self._done, earlier
        )
        self._tracking = ExitStack()
        if self._state:
            by = _other_commit(self._attempts)
            print(f"{name}: resumes after step {self._done}{by}", file=sys.stderr, flush=True)
            if others := self._attempts[-1].get("not_to_the_bit"):
                print(
                    f"{name}: other than before: {', '.join(others)}; from here on its weights are not "
                    "bit-identical to those of an uninterrupted training",
                    file=sys.stderr,
                    flush=True,
                )

    def steps(self, optimisation: Optimisation) -> Iterator[int]:
        """Restore the saved state, if there is one, and yield the remaining steps.

        UserError if the disk has too little room for the most that the training may write.
        """
        self._optimisation = optimisation
        self._require_space(optimisation.state_bytes(), optimisation.checkpoint_bytes())
        self.processes.told((self._state.folder if self._state else None, self._done))
        if self._state:
            self.carried = restore_state(self._state.folder, optimisation)
        self.processes.joined([self._done])  # until all have read it
        yield from range(self._done + 1, self._settings.steps + 1)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Wrap code that changes neither weights nor files: a process told to end does so here.

        The state after the last finished step is saved first; then Interrupted is raised. One of several
        processes does so in finish_step, where all agree: the others would wait for it here without end.
        """
        if self.processes.count > 1:
            yield
            return
        try:
            with self._interruption.interruptible():
                yield
        except Stop:
            raise self._interrupted() from None

    def _interrupted(self) -> Interrupted:
        """Save the state if it is not saved yet, and wait until it is written; returns the error to raise."""
        due = self._done > self._saved
        self._tell_of_a_state(due)
        if due:
            self._save_state()
        self._writer.wait()
        number = self._interruption.requested
        assert number is not None
        kept = f"the state after step {self._done} is kept" if self._done else "no step was finished yet"
        return Interrupted(number, f"{kept}; started again, the training goes on from there")

    def finish_step(
        self, step: int, values: Mapping[str, float | None], carried: Carried | None = None
    ) -> None:
        """Log a finished step; save a checkpoint or the state if due.

        carried: what the next step needs from this one. After a restart it is in `self.carried`.
        The error of a state that could not be written is raised here, at the next step.
        """
        free = self._writer.is_free()
        self.log.step(step, values)
        self.carried = carried or Carried()
        self._done = step
        if step == self._settings.steps:
            return
        if self.processes.count > 1 and self.processes.any_of(self._interruption.requested is not None):
            self._interruption.requested = self._interruption.requested or signal.SIGTERM
            interrupted = self._interrupted()
            self.processes.joined([step])
            raise interrupted
        if step in self._settings.checkpoint_steps:
            self.keep_checkpoint(f"checkpoint-{step}")
        minutes = self._execution.save_every_minutes
        due = minutes == 0 or (free and time.monotonic() - self._saved_at >= 60 * minutes)
        self._tell_of_a_state(due)
        if due:
            self._save_state()

    def _tell_of_a_state(self, due: bool) -> None:
        """Each process has a part of a sharded training's state."""
        if self._execution.sharding != "none":
            self.processes.told(due)

    def keep_checkpoint(self, name: str) -> None:
        """Save the weights as a folder of the run."""
        self._artefact.check_lock()
        with folder_written_aside(self._artefact.folder / name) as aside:
            self._save_checkpoint(aside)
            digests = {
                f"{name}/{path.relative_to(aside).as_posix()}": sha256_of(path)
                for path in visible_files(aside)
            }
            self._artefact.check_lock()  # saving may have taken minutes
        self._digests |= digests

    def finish(self, **facts: Any) -> None:
        """Finish the trackers, write the run's manifest with these facts, and delete the states."""
        self._writer.wait()
        self._tracking.close()
        self._artefact.finish(
            self._digests,
            **facts,
            made_of=self._facts["made_of"],
            **self._stopwatch.facts(),
            attempts=self._attempts,
        )
        self._states.remove()

    @contextmanager
    def watched(self) -> Iterator[TrainingSession]:
        """Handle signals within the block, and report its steps to trackers.

        At its end, also after an error, nothing is being written any more.
        """
        with self._interruption.watched(), self._writer, self._tracking:
            self._tracking.enter_context(tracking(self.accelerator, self._artefact.folder))
            try:
                yield self
            except Stop:  # raised while entering or leaving `interruptible`
                raise self._interrupted() from None

    def _save_state(self) -> None:
        """Copy all that makes up the state, and have the copy written while the training goes on."""
        assert self._optimisation is not None
        self._artefact.check_lock()
        require_finite_state(self._states.path(self._done), self._optimisation)
        self._writer.wait()  # until then the copy of the state before is needed
        self._saved, self._saved_at = self._done, time.monotonic()
        facts = {
            **self._facts,
            "step": self._done,
            "checkpoints": dict(self._digests),
            "wall_seconds": self._stopwatch.seconds(),
            "attempts": self._attempts,
        }
        tensors = self._host_copy.of(self._optimisation.tensors())
        carried, metrics = self.carried.on_host(), self.log.so_far()
        self._writer.start(lambda: self._write_state(tensors, carried, metrics, facts))

    def _write_state(
        self, tensors: Tensors, carried: Carried, metrics: bytes, facts: Mapping[str, Any]
    ) -> None:
        """In the writer's thread. It must use nothing that a step changes."""
        with folder_written_aside(self._states.path(facts["step"])) as aside:
            write_state(aside, tensors, carried, metrics, facts)
            self._artefact.check_lock()
        self._states.prune()

    def _reason_against(self, state: SavedState) -> str | None:
        """Why a complete state does not belong to this training, or None."""
        for name, value in self._facts.items():
            if state.facts.get(name) != value:
                return f"its {name} is another's"
        if state.facts.get("step") != state.step or not 0 < state.step < self._settings.steps:
            return "it is of no step of this run"
        if not has_columns((state.folder / METRICS).read_bytes(), self._columns, state.step):
            return f"its {METRICS} has not a row for each step, or other columns"
        for name, sha256 in state.facts["checkpoints"].items():
            path = self._artefact.folder / name
            if not path.is_file() or sha256_of(path) != sha256:
                # Only training from the start could make it again; the user must decide that.
                raise UserError(
                    f"{path}: is missing or damaged, and the saved states build on it; restore it from a "
                    f"copy, or delete {self._artefact.folder} and {self._states.folder} to train from the "
                    "start"
                )
        return None

    def _clean_folder(self) -> None:
        """Empty an interrupted attempt's folder, except for the state's checkpoints and the curves."""
        kept = {name.partition("/")[0] for name in self._digests}
        if self._state:
            kept |= {TENSORBOARD, OTHERS}
        for path in self._artefact.folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _require_space(self, state_bytes: int, checkpoint_bytes: int) -> None:
        names = {"checkpoint", *(f"checkpoint-{step}" for step in self._settings.checkpoint_steps)}
        there = {name.partition("/")[0] for name in self._digests}
        kept = len(names - there) * checkpoint_bytes
        used = sum(path.stat().st_size for path in self._states.folder.rglob("*") if path.is_file())
        needed = kept + max(0, MOST_AT_A_TIME * state_bytes - used) + MARGIN_BYTES
        free = shutil.disk_usage(self._artefact.folder).free
        print(
            f"disk: {kept / 1e6:,.0f} MB of this run's checkpoints are to come, and at most "
            f"{MOST_AT_A_TIME} states of {state_bytes / 1e6:,.0f} MB at a time, which go when the training "
            f"is done; {free / 1e6:,.0f} MB are free",
            file=sys.stderr,
            flush=True,
        )
        if needed > free:
            raise UserError(
                f"{self._artefact.folder}: needs {needed / 1e6:,.0f} MB at most and has {free / 1e6:,.0f} MB "
                "free; make room on that disk, or set `results` to another"
            )

    def _attempt(self, earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What this process computes with; `not_to_the_bit`: the parts that round differently than before."""
        facts = self._stopwatch.facts()
        # Called here so that git runs now, and not while the process is being ended.
        made_by = provenance()
        attempt = {
            "after_step": self._done,
            "commit": made_by["commit"],
            **{key: facts[key] for key in ("device", "execution", "threads", "cpu_capability")},
            # Packages that read the texts and pictures and compute with them.
            "packages": {name: made_by["packages"][name] for name in COMPUTING_PACKAGES},
        }
        others = _other_rounding(earlier[-1], attempt) if earlier else []
        return attempt | ({"not_to_the_bit": others} if others else {})


Session = TrainingSession | FollowingSession


def _follow_a_state(optimisation: Optimisation) -> None:
    """What `_save_state` does with the tensors, for a process that writes nothing."""
    require_finite_state(Path("the run"), optimisation)
    for tensors in optimisation.tensors().values():
        for tensor in tensors.values():
            whole(tensor)


def _other_rounding(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Factors of rounding that differ from before, or that the state does not record."""
    old, new = _rounding(before), _rounding(now)
    return [f"{key} {old.get(key, 'unknown')}, now {new[key]}" for key in new if old.get(key) != new[key]]


def _rounding(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """The known factors of rounding, by name."""
    execution = attempt["execution"]
    known = {key: attempt.get(key) for key in ("device", "threads", "cpu_capability")}
    known |= attempt.get("packages", {})
    for key in ("row_tokens", "gradient_checkpointing", "gpus"):
        known[f"execution.{key}"] = execution.get(key)
    known["execution.nodes"] = execution.get("nodes", 1)
    known["execution.sharding"] = execution.get("sharding", "none")
    return {key: value for key, value in known.items() if value is not None}


def _other_commit(attempts: Sequence[Mapping[str, Any]]) -> str:
    """The message for a run that is resumed with other code than it was started with."""
    first, now = attempts[0].get("commit"), attempts[-1]["commit"]
    return "" if first == now else f", by commit {now}; it was begun by {first}"
