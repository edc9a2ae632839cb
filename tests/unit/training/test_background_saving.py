"""States that are written while the training goes on: what that costs, and what may go wrong meanwhile."""

from __future__ import annotations

import errno
import itertools
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from trainings import BATCHES, STEPS, TRAINERS, NewRun, Run, interrupted

from othink_mr1.artefacts.artefact import Artefact
from othink_mr1.errors import Interrupted, UserError
from othink_mr1.training import background_saving, session, supervised
from othink_mr1.training.background_saving import BackgroundWriter, HostCopy
from othink_mr1.training.optimisation import Optimisation
from run_contents import assert_every_step_once, assert_same, metrics
from tiny import sft_settings

pytestmark = pytest.mark.usefixtures("rewards_that_differ")

SOON = 1e-9  # minutes: a state is due after every step, but the training does not wait for the one before
WRITE_SECONDS = 0.7
STEP_SECONDS = 0.03


def slow_disk(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[int]:
    """Let each state take so long to write; returns the steps whose states were written, as they are."""
    written: list[int] = []
    write = session.write_state

    def slowly(folder, tensors, carried, how_far, facts) -> None:
        time.sleep(seconds)
        write(folder, tensors, carried, how_far, facts)
        written.append(facts["step"])

    monkeypatch.setattr(session, "write_state", slowly)
    return written


def failing_disk(
    monkeypatch: pytest.MonkeyPatch, step: int, not_before: Callable[[], bool] = lambda: True
) -> None:
    """Let the disk be full when the state of that step is written."""
    write = session.write_state

    def fails(folder, tensors, carried, how_far, facts) -> None:
        write(folder, tensors, carried, how_far, facts)
        if facts["step"] == step:
            while not not_before():
                time.sleep(0.01)
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(session, "write_state", fails)


def steps_of_states(run: Run) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in run.states.glob("step-*"))


def test_on_a_slow_disk_saving_costs_less_than_three_percent(new_run: NewRun, monkeypatch) -> None:
    """The writes take as long as the training; it stands still while the state is copied, no longer."""
    run = new_run("sft")
    run.settings = sft_settings(steps=60, checkpoint_steps=[])
    written = slow_disk(monkeypatch, WRITE_SECONDS)
    held_up: list[float] = []
    in_thread: set[str] = set()
    save, write = session.TrainingSession._save_state, session.TrainingSession._write_state
    times: list[float] = []

    def timed_save(self: session.TrainingSession) -> None:
        started = time.perf_counter()
        save(self)
        held_up.append(time.perf_counter() - started)

    def noted_write(self: session.TrainingSession, *arguments: object) -> None:
        in_thread.add(threading.current_thread().name)
        write(self, *arguments)

    def step_of_fixed_length(*arguments: object) -> tuple[float, int]:
        times.append(time.perf_counter())
        time.sleep(STEP_SECONDS)
        return real(*arguments)

    real = supervised.supervised_backward
    monkeypatch.setattr(supervised, "supervised_backward", step_of_fixed_length)
    monkeypatch.setattr(session.TrainingSession, "_save_state", timed_save)
    monkeypatch.setattr(session.TrainingSession, "_write_state", noted_write)
    run.start(save_every_minutes=SOON)
    trained = times[-1] - times[0]
    assert in_thread == {"state-writer_0"}
    assert 2 <= len(written) <= trained / WRITE_SECONDS + 1
    assert len(held_up) == len(written)
    assert sum(held_up) < 0.03 * trained, (held_up, trained)
    # Several steps were made while each state was written.
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(written))


@pytest.mark.parametrize("trainer", TRAINERS)
def test_what_was_written_beside_the_steps_is_of_one_step(
    trainer: str, new_run: NewRun, undisturbed: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on from a state that was written slowly, while later steps changed the weights."""
    run = new_run(trainer)
    write = session.write_state

    def after_step_5(*arguments: object) -> None:
        while len(metrics(run.output)) < 5:
            time.sleep(0.01)
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(session, "write_state", after_step_5)
        stopped = interrupted(monkeypatch, BATCHES[trainer], 6, lambda: run.start(save_every_minutes=SOON))
    assert str(stopped).startswith("the state after step 5 is kept")
    # The first was being written when the signal came; then the last finished step was saved.
    assert steps_of_states(run) == [1, 5]
    shutil.rmtree(run.states / "step-5")
    assert_same(run.start(), undisturbed[trainer])
    assert_every_step_once(run.output, STEPS)


def test_states_are_saved_by_the_clock(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 20 minutes: a state is due after 40 minutes, as none is due after 20."""
    run = new_run("sft")
    written = slow_disk(monkeypatch, 0)
    start = BackgroundWriter.start

    def start_and_wait(self: BackgroundWriter, write: Callable[[], None]) -> None:
        start(self, write)
        self.wait()

    monkeypatch.setattr(BackgroundWriter, "start", start_and_wait)

    def minutes() -> float:
        file = run.output / "metrics.csv"
        return 60 * 20 * (len(metrics(run.output)) if file.exists() else 0)

    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=minutes))
    run.start(save_every_minutes=30)
    assert written == [2, 4]


def test_after_every_step_means_every_step(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run("sft")
    written = slow_disk(monkeypatch, 0.1)
    run.start(save_every_minutes=0)
    assert written == list(range(1, STEPS))


def test_a_disk_that_is_full_in_the_background_ends_the_training_at_the_next_step(
    new_run: NewRun, undisturbed: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("sft")
    with monkeypatch.context() as patch:
        failing_disk(patch, 3)
        with pytest.raises(OSError, match="No space left") as caught:
            run.start()
        assert ".step-3." in str(caught.value.filename)
    # At the next step: it is not logged any more, or it is and the error came when its state was due.
    assert len(metrics(run.output)) in (3, 4)
    assert steps_of_states(run) == [1, 2]
    assert not (run.output / "manifest.json").exists()
    assert_same(run.start(), undisturbed["sft"])


def test_an_error_of_the_last_state_is_told_before_the_states_are_deleted(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("sft")
    with monkeypatch.context() as patch:
        # After the last step, when the training has only its end before it.
        failing_disk(patch, STEPS - 1, (run.output / "checkpoint").exists)
        with pytest.raises(OSError, match="No space left"):
            run.start()
    assert steps_of_states(run) == [STEPS - 3, STEPS - 2]
    assert not (run.output / "manifest.json").exists()


def test_an_error_of_the_background_is_told_to_an_interrupted_training(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it must not say that the state is kept."""
    run = new_run("sft")
    write = session.write_state

    def fails_late(folder, tensors, carried, how_far, facts) -> None:
        write(folder, tensors, carried, how_far, facts)
        time.sleep(0.5)
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(session, "write_state", fails_late)
    with pytest.raises(OSError, match="No space left"):
        interrupted(monkeypatch, BATCHES["sft"], 2, run.start)
    assert steps_of_states(run) == []


def test_a_lock_that_is_lost_while_a_state_is_written_keeps_it_from_its_name(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("sft")
    check = Artefact.check_lock

    def lost(self: Artefact) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise UserError("another one took over")
        check(self)

    with monkeypatch.context() as patch:
        patch.setattr(Artefact, "check_lock", lost)
        with pytest.raises(UserError, match="another one took over"):
            run.start()
    assert steps_of_states(run) == []
    run.start()
    assert (run.output / "manifest.json").exists()


@pytest.mark.parametrize("moment", ["exp_avg", "exp_avg_sq"])
def test_a_state_with_infinite_moments_is_refused_at_its_own_step(
    moment: str, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are finite still, so that no other check sees it."""
    run = new_run("sft")
    update = Optimisation.update

    def spoils(self: Optimisation, step: int) -> tuple[float, float]:
        found = update(self, step)
        if step == 3:
            next(iter(self._adam.state.values()))[moment].fill_(torch.inf)
        return found

    monkeypatch.setattr(Optimisation, "update", spoils)
    with pytest.raises(UserError, match=r"step-3: no state is saved, since \w+_moments of .* hold nan"):
        run.start()
    assert steps_of_states(run) == [1, 2]
    assert len(metrics(run.output)) == 3


def test_a_diverged_training_leaves_nothing_that_is_still_written(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is released: by then another process may write there."""
    run = new_run("sft")
    slow_disk(monkeypatch, 0.5)
    monkeypatch.setattr(session.TrainingLog, "step", _diverges_at(2))
    with pytest.raises(UserError, match="diverged"):
        run.start(save_every_minutes=SOON)
    assert steps_of_states(run) == [1]
    assert not list(run.states.glob(".*"))


def _diverges_at(step: int) -> Callable[..., None]:
    log = session.TrainingLog.step

    def step_of_log(self: session.TrainingLog, number: int, values: object) -> None:
        if number == step:
            raise UserError("the training has diverged")
        log(self, number, values)

    return step_of_log


def test_a_signal_waits_for_the_state_that_is_being_written(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("grpo")
    written = slow_disk(monkeypatch, 0.5)
    with pytest.raises(Interrupted):
        raise interrupted(monkeypatch, BATCHES["grpo"], 2, run.start)
    assert written == [1]
    assert steps_of_states(run) == [1]


def tensors_of(settings: dict[str, tuple[int, ...]], seed: int) -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(shape, generator=generator) for name, shape in settings.items()}
    return {"weights": made, "counts": {name: torch.tensor(float(seed)) for name in made}}


SHAPES = {"a": (7, 5), "b": (300,), "c": (3, 2, 4), "large": (400, 4), "d": (1,)}


def test_a_copy_is_of_its_moment_and_its_memory_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_saving, "BLOCK_BYTES", 2000)
    copy = HostCopy()
    first = tensors_of(SHAPES, 1)
    copied = copy.of(first)
    places = {
        (kind, name): tensor.data_ptr() for kind, group in copied.items() for name, tensor in group.items()
    }
    kept = {kind: {name: tensor.clone() for name, tensor in group.items()} for kind, group in first.items()}
    for group in first.values():
        for tensor in group.values():
            tensor.zero_()
    for kind, group in kept.items():
        for name, tensor in group.items():
            assert torch.equal(copied[kind][name], tensor), (kind, name)
    second = tensors_of(SHAPES, 2)
    again = copy.of(second)
    for kind, group in second.items():
        for name, tensor in group.items():
            assert torch.equal(again[kind][name], tensor)
            assert again[kind][name].data_ptr() == places[kind, name]


def test_a_copy_takes_the_memory_of_one_state() -> None:
    copy = HostCopy()
    for seed in range(3):
        copied = copy.of(tensors_of(SHAPES, seed))
    storages = {tensor.untyped_storage().data_ptr() for group in copied.values() for tensor in group.values()}
    assert len(storages) == 1
    spans = sorted(
        (tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes)
        for group in copied.values()
        for tensor in group.values()
    )
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    needed = sum(end - start for start, end in spans) + 64 * len(spans)
    assert spans[-1][1] - spans[0][0] < needed
    # Once a whole block of 1 GiB: tests with many trainings in one process could start no other program.
    assert sum(block.memory.nbytes for block in copy._blocks) <= needed


def test_a_tensor_that_comes_later_has_its_place(tmp_path) -> None:
    """A weight has no moments before its first gradient. All are saved, though they share memory."""
    copy = HostCopy()
    copy.of(tensors_of({"a": (7, 5)}, 1))
    copied = copy.of(tensors_of(SHAPES, 2))
    save_file(dict(copied["weights"]), tmp_path / "file.safetensors")
    loaded = load_file(tmp_path / "file.safetensors")
    expected = tensors_of(SHAPES, 2)["weights"]
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


def test_the_writer_writes_one_at_a_time() -> None:
    order: list[str] = []
    looked = threading.Event()

    def write(name: str) -> None:
        order.append(f"{name} begins")
        looked.wait(10)
        time.sleep(0.05)
        order.append(f"{name} ends")

    with BackgroundWriter() as writer:
        assert writer.is_free()
        writer.start(lambda: write("first"))
        assert not writer.is_free()
        looked.set()
        writer.start(lambda: write("second"))
    assert order == ["first begins", "first ends", "second begins", "second ends"]


def test_an_error_of_the_writer_is_raised_once() -> None:
    def fails() -> None:
        raise UserError("no")

    with BackgroundWriter() as writer:
        writer.start(fails)
        with pytest.raises(UserError, match="no"):
            writer.wait()
        assert writer.is_free()
