"""A training that is interrupted and goes on: the same to the bit, whatever of its states was damaged."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from trainings import BATCHES, INTERRUPTED_SETTINGS, STEPS, TRAINERS, NewRun, Run, StoppedRun, interrupted

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.artefacts.provenance import provenance
from othink_mr1.errors import UserError
from othink_mr1.plan.runs import RunDescription
from othink_mr1.training import interruption, runs, saved_states, session
from othink_mr1.training.pretraining import pretrain_backbone
from run_contents import assert_every_step_once, assert_same, contents, curves, metrics
from tiny import Tiny, execution, grpo_settings, tiny_settings

pytestmark = pytest.mark.usefixtures("rewards_that_differ")


def assert_equal(folder: Path, reference: Path) -> None:
    assert_same(folder, reference)
    assert_every_step_once(folder, STEPS)


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("at_step", range(1, STEPS + 1))
def test_an_interrupted_run_goes_on_to_the_bit(
    trainer: str, at_step: int, new_run: NewRun, undisturbed: dict[str, Path], monkeypatch
) -> None:
    run = new_run(trainer)
    # The state of every step is saved already; or none is, before the signal.
    minutes = 60 * (at_step % 2)
    first = interrupted(
        monkeypatch,
        BATCHES[trainer],
        at_step,
        lambda: run.start(save_every_minutes=minutes),
        signal.SIGINT,
    )
    assert first.number == signal.SIGINT
    kept = at_step - 1
    assert str(first).startswith(
        f"the state after step {kept} is kept" if kept else "no step was finished yet"
    )
    # Again at once, as its terminal closes: nothing done, nothing lost.
    again = interrupted(monkeypatch, BATCHES[trainer], 1, run.start, signal.SIGHUP)
    assert again.number == signal.SIGHUP
    assert not (run.output / "manifest.json").exists()
    assert_equal(run.start(), undisturbed[trainer])
    assert curves(run.output) == curves(undisturbed[trainer])
    assert not run.states.exists()
    attempts = read_manifest(run.output)["attempts"]
    assert [attempt["after_step"] for attempt in attempts] == ([0, kept] if kept else [0])


def test_a_controller_of_the_kl_goes_on_to_the_bit(new_run: NewRun, monkeypatch) -> None:
    """Between two rollouts, and between the updates on one."""
    schedule = {"kind": "target", "initial": 0.1, "target": 1e-6, "horizon": 1.0}
    settings = grpo_settings(
        steps=STEPS, checkpoint_steps=[], updates_per_rollout=2, learning_rate=0.01, kl_schedule=schedule
    )
    undisturbed = replace(new_run("grpo", "undisturbed"), settings=settings).start()
    for at_step in (3, 4):
        run = replace(new_run("grpo", f"at-{at_step}"), settings=settings)
        interrupted(monkeypatch, BATCHES["grpo"], at_step, run.start, signal.SIGTERM)
        assert_equal(run.start(), undisturbed)
    weights = [float(row["kl_weight"]) for row in metrics(undisturbed)]
    assert weights[0] == 0.1
    assert len(set(weights)) == STEPS  # it moves


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_run_that_other_code_goes_on_with_tells_of_both(
    trainer: str, new_run: NewRun, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = new_run(trainer)
    at = provenance()
    with monkeypatch.context() as patch:
        patch.setattr("othink_mr1.training.session.provenance", lambda: {**at, "commit": "former"})
        interrupted(monkeypatch, BATCHES[trainer], 4, run.start)
    interrupted(monkeypatch, BATCHES[trainer], 1, run.start)
    said = f"resumes after step 3, by commit {at['commit']}; it was begun by former"
    assert said in capfd.readouterr().err
    manifest = read_manifest(run.start())
    assert manifest["commit"] == at["commit"]
    assert [attempt["commit"] for attempt in manifest["attempts"]] == ["former", at["commit"]]


def test_other_rows_after_a_restart_in_the_middle_of_a_rollout(
    stopped_run: StoppedRun, tmp_path: Path
) -> None:
    run = stopped_run("grpo", 2).copied(tmp_path)
    rows = metrics(run.start(row_tokens=150))
    assert [row["step"] for row in rows] == [str(step) for step in range(1, STEPS + 1)]


def test_pretraining_goes_on_to_the_bit(examples_file: Path, tmp_path: Path, monkeypatch) -> None:
    def start(folder: Path) -> Path:
        files = {"scenes": examples_file, "geometry": examples_file}
        pretrain_backbone(tiny_settings(steps=STEPS), execution(), files, folder)
        return folder

    interrupted(monkeypatch, BATCHES["sft"], 4, lambda: start(tmp_path / "backbone"))
    assert_equal(start(tmp_path / "backbone"), start(tmp_path / "undisturbed"))


def test_a_signal_while_nothing_may_be_left_half_done_waits() -> None:
    asked = interruption.Interruption()
    with asked.watched():
        os.kill(os.getpid(), signal.SIGURG)
        assert asked.requested == signal.SIGURG
        with pytest.raises(interruption.Stop), asked.interruptible():
            pytest.fail("it came before")
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.requested == signal.SIGURG
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "deleted":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(data[:-1] if data else b"x")
    else:
        place = len(data) // 2
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] if data else b"x")


@pytest.fixture
def stopped(stopped_run: StoppedRun, tmp_path: Path) -> Run:
    """A run of GRPO that stopped after step 5, with states of steps 4 and 5."""
    run = stopped_run("grpo", STEPS).copied(tmp_path / "stopped")
    assert sorted(path.name for path in run.states.iterdir()) == ["step-4", "step-5"]
    return run


def copies(stopped: Run, tmp_path: Path) -> Iterator[tuple[Path, Run]]:
    """Each file of the stopped run's states and checkpoints, in a copy of the run of its own."""
    files = [*stopped.states.rglob("*"), *stopped.output.rglob("*")]
    for number, file in enumerate(path for path in files if path.is_file()):
        folder = tmp_path / str(number)
        yield folder / file.relative_to(stopped.output.parent), stopped.copied(folder)


@pytest.mark.parametrize("how", ["truncated", "deleted", "flipped"])
def test_no_damaged_file_of_an_interrupted_run_changes_its_result(
    how: str,
    stopped: Run,
    undisturbed: dict[str, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    seen = 0
    for file, run in copies(stopped, tmp_path):
        damage(file, how)
        capfd.readouterr()
        if "checkpoint-" in str(file):
            # Both states build on it: weeks are not thrown away unasked.
            with pytest.raises(UserError) as caught:
                run.start()
            assert str(caught.value).startswith(f"{file}: is missing or damaged")
            assert f"or delete {run.output} and {run.states} to train from the start" in str(caught.value)
            assert sorted(path.name for path in run.states.iterdir()) == ["step-4", "step-5"]
            refused = run
            seen += 1
            continue
        assert_equal(run.start(), undisturbed["grpo"])
        said = capfd.readouterr().err
        # A deleted manifest is no loss: there is a copy of it.
        is_spare = file.name == ".manifest.json" or (how == "deleted" and file.name == "manifest.json")
        if file.parent.name == "step-5" and not is_spare:
            assert "unusable-step-5: a state that cannot be used, set aside: " in said, file
            assert str(file) in said
            assert "resumes after step 4" in said
            seen += 1
    assert seen > 10
    # As the error advises. Once: what is left then is the same, whichever file was damaged.
    shutil.rmtree(refused.output)
    shutil.rmtree(refused.states)
    assert_equal(refused.start(), undisturbed["grpo"])


def test_the_states_of_another_backbone_are_not_used(
    stopped: Run, tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny.folder, other)
    (other / "generation_config.json").write_text(json.dumps({"note": "another"}))
    stopped.backbone = other
    stopped.start()
    said = capfd.readouterr().err
    assert "step-5: a state that cannot be used, set aside: its made_of is another's" in said
    assert "step-4: a state that cannot be used, removed: its made_of is another's" in said
    assert "resumes after" not in said


def test_never_more_states_than_promised(
    stopped: Run, undisturbed: dict[str, Path], monkeypatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = stopped
    damage(run.states / "step-5" / "weights.safetensors", "flipped")
    counts: list[int] = []
    original = session.write_state

    def counted(*arguments: object) -> None:
        original(*arguments)
        counts.append(len(list(run.states.iterdir())))

    monkeypatch.setattr(session, "write_state", counted)
    assert metrics(run.start()) == metrics(undisturbed["grpo"])
    # One that was set aside, the one before it, and the one that is being written.
    assert counts == [3]
    assert saved_states.MOST_AT_A_TIME == 4
    assert "at most 4 states of 2 MB at a time" in capfd.readouterr().err
    assert not run.states.exists()


def test_only_the_newest_states_are_kept(new_run: NewRun, monkeypatch) -> None:
    run = new_run("sft")
    kept: list[list[str]] = []
    original = session.write_state

    def noted(*arguments: object) -> None:
        original(*arguments)
        kept.append(sorted(path.name for path in run.states.glob("step-*")))

    monkeypatch.setattr(session, "write_state", noted)
    run.start()
    # While one is written; after the last step the checkpoint is all that is needed.
    assert kept == [[], ["step-1"], ["step-1", "step-2"], ["step-2", "step-3"], ["step-3", "step-4"]]


def test_a_state_that_cannot_be_read_now_is_not_given_up(
    stopped: Run, undisturbed: dict[str, Path], monkeypatch
) -> None:
    run = stopped

    def unreadable(path: Path) -> str:
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as context:
        context.setattr("othink_mr1.artefacts.verification.sha256_of", unreadable)
        # What every start reads first, too.
        context.setattr(runs, "verify_weights", lambda folder: read_manifest_of_state(run)["backbone"])
        context.setattr(runs, "verify_file", lambda path: read_manifest_of_state(run)["examples"])
        context.setattr("othink_mr1.modeling.backbone.verify_weights", lambda folder: "")
        context.setattr("othink_mr1.data.examples.verify_file", lambda path: "")
        with pytest.raises(UserError, match=r"step-5/.*: cannot be read \(Input/output error\)"):
            run.start()
    assert sorted(path.name for path in run.states.iterdir()) == ["step-4", "step-5"]
    assert_equal(run.start(), undisturbed["grpo"])


def read_manifest_of_state(run: Run) -> dict[str, str]:
    made_of: dict[str, str] = read_manifest(run.states / "step-5")["made_of"]
    return made_of


@pytest.mark.parametrize("trainer", TRAINERS)
def test_with_frozen_images_it_goes_on_to_the_bit(trainer: str, new_run: NewRun, monkeypatch) -> None:
    """Over more than an epoch: after a restart other images are new to the memory."""
    frozen = INTERRUPTED_SETTINGS[trainer].model_copy(update={"train_vision_tower": False})
    monkeypatch.setitem(INTERRUPTED_SETTINGS, trainer, frozen)
    undisturbed = new_run(trainer, "undisturbed").start()
    run = new_run(trainer)
    interrupted(monkeypatch, BATCHES[trainer], 4, run.start)
    assert_equal(run.start(), undisturbed)


def test_a_damaged_complete_run_is_not_trained_again_unasked(new_run: NewRun) -> None:
    run = new_run("sft")
    run.start()
    damage(run.output / "metrics.csv", "flipped")
    with pytest.raises(UserError, match=r"metrics\.csv: its sha256 .* or delete .*run, to have"):
        run.start()
    (run.output / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"run: was complete and has lost its manifest\.json; restore that"):
        run.start()
    assert (run.output / "checkpoint" / "model.safetensors").exists()


def test_a_setting_that_is_added_later_makes_no_other_run(
    stopped_run: StoppedRun, tmp_path: Path, monkeypatch
) -> None:
    """It is left out of digests while it has the value of old; what the run was called stays."""
    run = stopped_run("grpo", 4).copied(tmp_path)
    dump = RunDescription.model_dump
    monkeypatch.setattr(RunDescription, "model_dump", lambda self, **how: {**dump(self, **how), "new": 1})
    run.start()
    assert read_manifest(run.output)["attempts"][-1]["after_step"] == 3
    run.start()  # complete already


def test_too_full_a_disk_is_told_before_the_first_step(new_run: NewRun, tmp_path: Path, monkeypatch) -> None:
    run = new_run("sft")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(session.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(
        UserError, match=r"run: needs \d+ MB at most and has 1 MB free; make room on that disk"
    ):
        run.start()
    assert not run.states.exists()


def test_a_complete_run_is_left_as_it_is(new_run: NewRun) -> None:
    run = new_run("sft")
    before = contents(run.start())
    manifest = (run.output / "manifest.json").read_bytes()
    run.start()
    assert (run.output / "manifest.json").read_bytes() == manifest
    assert contents(run.output) == before
