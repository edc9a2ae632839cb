"""Trainings whose pictures are prepared ahead, as on a GPU: the same to the bit, and as easily ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from trainings import BATCHES, STEPS, TRAINERS, NewRun, Train, interrupted

from othink_mr1.data.examples import write_examples
from othink_mr1.errors import Interrupted
from othink_mr1.modeling.prompts import PromptMaker
from othink_mr1.training.pretraining import pretrain_backbone
from run_contents import assert_every_step_once, assert_same
from tiny import EXAMPLES, execution, grpo_settings, sft_settings, tiny_settings

pytestmark = pytest.mark.usefixtures("rewards_that_differ")

# Also two updates on a rollout, and pictures that are encoded once.
RUNS = {
    "sft": sft_settings(steps=5),
    "sft, r1v": sft_settings(target="r1v"),
    "sft, frozen": sft_settings(train_vision_tower=False),
    "grpo": grpo_settings(),
    "grpo, two updates": grpo_settings(steps=4, updates_per_rollout=2, learning_rate=0.01),
    "grpo, frozen": grpo_settings(train_vision_tower=False),
}


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[tuple[int, str]]]:
    """Sets the number of threads; returns where and how many pictures at once are prepared from then on."""

    def prepared(threads: int) -> list[tuple[int, str]]:
        for module in ("runs", "pretraining"):
            monkeypatch.setattr(f"othink_mr1.training.{module}.background_threads", lambda _: threads)
        calls: list[tuple[int, str]] = []

        def made(self: PromptMaker, images: list[bytes], dialogues: list[str]) -> list:
            calls.append((len(images), threading.current_thread().name.partition("_")[0]))
            return original(self, images, dialogues)

        monkeypatch.setattr(PromptMaker, "make_of_dialogues", made)
        return calls

    original = PromptMaker.make_of_dialogues
    return prepared


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_the_same_to_the_bit(name: str, train: Train, prepared: Callable) -> None:
    settings = RUNS[name]
    trainer = settings.trainer
    alone = prepared(0)
    expected = train(trainer, settings, "alone")
    ahead = prepared(3)
    assert_same(train(trainer, settings, "ahead"), expected)
    assert {thread for _, thread in alone} == {"MainThread"}
    # Each by a thread of its own, and as many in all: nothing beyond the last step.
    assert set(ahead) == {(1, "prompts")}
    assert len(ahead) == sum(count for count, _ in alone)


def test_a_pretraining_is_the_same_to_the_bit(
    examples_file: Path, tmp_path: Path, prepared: Callable
) -> None:
    files = {"scenes": examples_file, "geometry": examples_file}
    for name, threads in (("alone", 0), ("ahead", 2)):
        calls = prepared(threads)
        pretrain_backbone(tiny_settings(), execution(), files, tmp_path / name)
    assert len(calls) == 3 * 4
    assert {thread for _, thread in calls} == {"prompts"}
    assert_same(tmp_path / "ahead", tmp_path / "alone")


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("at_step", [2, 4, 5])
def test_a_resumed_run_is_the_same_to_the_bit(
    trainer: str,
    at_step: int,
    new_run: NewRun,
    undisturbed: dict[str, Path],
    prepared: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared(2)
    run = new_run(trainer)
    interrupted(monkeypatch, BATCHES[trainer], at_step, run.start)
    assert_same(run.start(), undisturbed[trainer])
    assert_every_step_once(run.output, STEPS)


@pytest.mark.parametrize(("trainer", "stuck_from"), [("sft", 10), ("grpo", 4)])
def test_a_signal_ends_the_wait_for_a_picture(
    trainer: str,
    stuck_from: int,
    new_run: NewRun,
    undisturbed: dict[str, Path],
    prepared: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """stuck_from: number of a picture of step 3, which is prepared during the step before."""
    prepared(2)
    run = new_run(trainer)
    original = PromptMaker.make_of_dialogues
    calls: list[int] = []
    release = threading.Event()

    def interrupt_step_3() -> None:
        file = run.output / "metrics.csv"
        while not file.exists() or len(file.read_text().splitlines()) < 1 + 2:
            time.sleep(0.01)
        time.sleep(0.5)  # until it waits
        os.kill(os.getpid(), signal.SIGTERM)

    def stuck(self: PromptMaker, images: list[bytes], dialogues: list[str]) -> list:
        calls.append(1)
        if len(calls) == stuck_from:
            threading.Thread(target=interrupt_step_3, daemon=True).start()
        if len(calls) >= stuck_from:
            release.wait(60)
        return original(self, images, dialogues)

    started = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(PromptMaker, "make_of_dialogues", stuck)
        with pytest.raises(Interrupted, match="the state after step 2 is kept"):
            run.start()
    assert time.monotonic() - started < 30
    release.set()
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith("prompts")]:
        thread.join(10)
        assert not thread.is_alive()
    assert len(calls) <= stuck_from + 1  # those that two threads had begun
    assert_same(run.start(), undisturbed[trainer])


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_damaged_picture_is_the_same_error_at_the_same_step(
    trainer: str, new_run: NewRun, prepared: Callable
) -> None:
    run = new_run(trainer)
    damaged = [replace(example, image=b"no picture") for example in EXAMPLES[:1]]
    write_examples([*damaged, *EXAMPLES[1:]], run.examples_file)
    errors = []
    for threads in (0, 2):
        prepared(threads)
        one = replace(run, output=run.output.with_name(f"threads-{threads}"))
        with pytest.raises(OSError, match="cannot identify image file") as caught:
            one.start(save_every_minutes=0)
        states = sorted(path.name for path in one.states.glob("step-*"))
        errors.append((type(caught.value), str(caught.value).partition(" at 0x")[0], states))
    assert errors[0] == errors[1]
