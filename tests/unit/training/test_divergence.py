"""Trainings that are no longer numbers: they end in one line, and nothing of them is kept."""

from __future__ import annotations

import math
import os
import pty
import shutil
import signal
import stat
import sys
from pathlib import Path

import pytest
import torch
from entry_points import run
from safetensors.torch import load_file, save_file
from trainings import BATCHES, SETTINGS, TRAINERS, NewRun, StoppedRun, Train, interrupted

from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.artefacts.provenance import provenance
from othink_mr1.errors import Diverged, UserError
from othink_mr1.modeling.backbone import load_backbone, save_checkpoint
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.device import Stopwatch
from othink_mr1.modeling.finite import first_not_finite
from othink_mr1.modeling.token_choice import greedy
from othink_mr1.modeling.token_step import TokenStep
from othink_mr1.training.advantages import all_equal, group_advantages
from othink_mr1.training.interruption import Interruption
from othink_mr1.training.loss import token_losses
from othink_mr1.training.pretraining import pretrain_backbone
from othink_mr1.training.session import COMPUTING_PACKAGES
from tiny import Tiny, description, execution, grpo_settings, sft_settings, tiny_settings

pytestmark = pytest.mark.usefixtures("rewards_that_differ")


def assert_only_numbers_are_kept(*folders: Path) -> None:
    files = [file for folder in folders for file in folder.rglob("*.safetensors")]
    for file in files:
        tensors = {name: t.float() for name, t in load_file(file).items() if t.is_floating_point()}
        assert first_not_finite(tensors) is None, file


# The tiny model's GRPO bears more: with 2e5 it saturates, in finite numbers.
LARGE_RATES = {"sft": 2e5, "grpo": 2e20}
DIVERGING = {
    "a large learning rate": {"learning_rate": LARGE_RATES},
    "a large learning rate and no clipping": {"learning_rate": LARGE_RATES, "max_gradient_norm": 1e30},
    "an update of infinite weights": {"learning_rate": 3e38},
}


@pytest.mark.parametrize("trainer", SETTINGS)
@pytest.mark.parametrize("why", DIVERGING)
def test_a_training_that_diverges_ends_in_one_line_and_again(
    trainer: str, why: str, train: Train, tmp_path: Path
) -> None:
    """It ended well, with weights of nan (SFT), or in an IndexError, at every restart (GRPO)."""
    values = DIVERGING[why]
    if values["learning_rate"] is LARGE_RATES:
        values = {**values, "learning_rate": LARGE_RATES[trainer]}
    settings = SETTINGS[trainer](steps=8, checkpoint_steps=[], **values)
    output = tmp_path / "run"
    said = []
    for _ in range(2):
        with pytest.raises(UserError, match=r"^step \d: the .* diverged.*lower learning_rate") as caught:
            train(trainer, settings)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]
    assert not (output / "manifest.json").exists()
    assert not (output / "checkpoint").exists()
    assert_only_numbers_are_kept(output, output.with_name(".run.states"))


def test_a_pretraining_that_diverges_ends_in_one_line(examples_file: Path, tmp_path: Path) -> None:
    settings = tiny_settings(learning_rate=1e30, steps=6)
    files = {"scenes": examples_file, "geometry": examples_file}
    with pytest.raises(UserError, match=r"^step \d: the .* diverged"):
        pretrain_backbone(settings, execution(), files, tmp_path / "backbone")
    assert not list((tmp_path / "backbone").rglob("*.safetensors"))
    assert_only_numbers_are_kept(tmp_path)


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run_before_the_update(
    trainer: str, value: float, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(trainer)
    place = f"othink_mr1.training.{BATCHES[trainer]}"
    module, _, name = place.rpartition(".")
    function = getattr(sys.modules[module], name)
    calls = []

    def spoilt(*arguments: object) -> object:
        calls.append(1)
        found = function(*arguments)
        if len(calls) < 4:
            return found
        return (value, found[1]) if trainer == "sft" else type(found)(value, *list(vars(found).values())[1:])

    with monkeypatch.context() as context:
        context.setattr(place, spoilt)
        with pytest.raises(UserError, match=rf"^step 4: the loss is {value}"):
            run.start()
    assert [path.name for path in sorted(run.states.glob("step-*"))] == ["step-2", "step-3"]
    assert_only_numbers_are_kept(run.output, run.states)
    run.start()  # and goes on from there
    assert (run.output / "manifest.json").exists()


def test_weights_that_are_no_numbers_are_neither_saved_nor_loaded(tiny: Tiny, tmp_path: Path) -> None:
    name, weight = next(iter(tiny.model.named_parameters()))
    with torch.no_grad():
        weight.view(-1)[5] = math.inf
    with pytest.raises(UserError, match=f"not saved, {name} holds nan or infinite"):
        save_checkpoint(tiny.model, tiny.processor, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    # As an earlier version saved it.
    file = tiny.folder / "model.safetensors"
    whole = file.read_bytes()
    tensors = load_file(file)
    spoilt = next(iter(tensors))
    tensors[spoilt] = tensors[spoilt] * math.nan
    try:
        save_file(tensors, file, metadata={"format": "pt"})
        with pytest.raises(UserError, match="holds nan or infinite numbers, as of a training that diverged"):
            load_backbone(tiny.folder, "cpu")
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("kind", ["weights", "second_moments"])
def test_a_state_that_an_earlier_version_saved_is_refused(
    kind: str, stopped_run: StoppedRun, tmp_path: Path
) -> None:
    run = stopped_run("sft", 4).copied(tmp_path)
    newest = max(run.states.glob("step-*"))
    tensors = load_file(newest / f"{kind}.safetensors")
    name = next(iter(tensors))
    tensors[name] = tensors[name] * math.inf
    save_file(tensors, newest / f"{kind}.safetensors")
    manifest = read_manifest(newest)
    write_manifest(newest, **{key: value for key, value in manifest.items() if key != "files"})
    with pytest.raises(UserError, match=rf"{kind} of .* hold nan or infinite numbers; delete "):
        run.start()
    shutil.rmtree(newest)
    run.start()  # from the older one
    assert (run.output / "manifest.json").exists()


def test_moments_that_are_no_numbers_are_not_saved(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient of 1e20 has an infinite square: the weights stay, as nothing moves them."""
    run = new_run("sft")
    run.settings = sft_settings(steps=4, checkpoint_steps=[], max_gradient_norm=1e30)
    backward = sys.modules["othink_mr1.training.supervised"].supervised_backward

    def steep(accelerator: object, model: torch.nn.Module, *rest: object) -> object:
        found = backward(accelerator, model, *rest)
        for weight in model.parameters():
            weight.grad = torch.full_like(weight, 1e20)
        return found

    monkeypatch.setattr("othink_mr1.training.supervised.supervised_backward", steep)
    with pytest.raises(UserError, match=r"diverged|second_moments of .* hold nan or infinite"):
        run.start()
    assert_only_numbers_are_kept(*run.states.glob("step-*"))


def test_logits_that_are_no_numbers_are_told(tiny: Tiny, prompts: list[object]) -> None:
    with torch.no_grad():
        tiny.model.model.language_model.norm.weight.fill_(math.nan)
    with pytest.raises(Diverged, match="logits are nan or infinite"):
        decode(tiny.model, prompts, 1, 4, [], greedy)


def test_logits_of_a_later_token_are_looked_at_too(
    tiny: Tiny, prompts: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = TokenStep.__call__
    calls = []

    def broken(self: TokenStep, *arguments: object) -> torch.Tensor:
        calls.append(1)
        logits = step(self, *arguments)
        return logits.index_fill(1, torch.tensor([3]), math.nan) if len(calls) == 2 else logits

    monkeypatch.setattr(TokenStep, "__call__", broken)
    with pytest.raises(Diverged, match="logits are nan or infinite"):
        decode(tiny.model, prompts, 1, 4, [], greedy)


def test_a_print_to_a_closed_terminal_does_not_cost_the_state() -> None:
    """The terminal closes while an update is made, which then is logged."""
    terminal, output = pty.openpty()
    before = os.dup(2)
    asked = Interruption()
    try:
        os.dup2(output, 2)
        os.close(output)
        with asked.watched():
            os.close(terminal)
            with pytest.raises(OSError, match="Input/output error"):
                os.write(2, b"a step")
            os.kill(os.getpid(), signal.SIGHUP)
            os.write(2, b"a step")
    finally:
        os.dup2(before, 2)
        os.close(before)
    assert asked.requested == signal.SIGHUP


def test_equal_rewards_are_no_advantage_at_any_epsilon(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (0.0, 0.2, 1.2, 1 / 3, 0.1 + 0.7, 1e-30):
        for prompts in (1, 2, 3, 7, 16):
            for group in (2, 3, 7, 8, 64):
                rewards = torch.full((prompts, group), value)
                for epsilon in (0.0, 1e-8, 1e-4):
                    assert not group_advantages(rewards, epsilon).any()
                assert all_equal(rewards).all()
    monkeypatch.setattr(
        "othink_mr1.training.rewards.accuracy_rewards", lambda questions: [1.2] * len(questions)
    )
    settings = grpo_settings(advantage_epsilon=0.0, prompts_per_step=1, format_weight=0.2)
    folder = train("grpo", settings)
    header, *rows = (folder / "metrics.csv").read_text().splitlines()
    for row in rows:
        values = dict(zip(header.split(","), row.split(","), strict=True))
        assert (float(values["zero_std_fraction"]), float(values["reward_std"])) == (1.0, 0.0)


def former_losses(log_probabilities, old, reference, advantages, clip_range, kl_weight):
    """The loss as it was before its exponents were bounded."""
    advantage = advantages[:, None]
    ratio = torch.exp(log_probabilities - old)
    kept = ratio.clamp(1 - clip_range, 1 + clip_range)
    loss = -torch.minimum(ratio * advantage, kept * advantage)
    difference = reference - log_probabilities
    kl = torch.exp(difference) - difference - 1
    return loss + kl_weight * kl


@pytest.mark.parametrize("kl_weight", [0.0, 0.04])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 30.0])
def test_what_was_finite_is_the_same_to_the_bit(kl_weight: float, spread: float) -> None:
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        base, old, reference = -10 * torch.rand(3, 6, 40, generator=generator) * spread
        advantages = torch.randn(6, generator=generator) * (torch.arange(6) > 0)
        new_input, former_input = base.clone().requires_grad_(), base.clone().requires_grad_()
        new = token_losses(new_input, old, reference, advantages, 0.2, kl_weight).loss
        former = former_losses(former_input, old, reference, advantages, 0.2, kl_weight)
        new.sum().backward()
        former.sum().backward()
        finite = former.isfinite() & former_input.grad.isfinite()
        assert finite.any()
        assert torch.equal(new[finite], former[finite])
        assert torch.equal(new_input.grad[finite], former_input.grad[finite])


def losses(current: float, old: float, reference: float, advantage: float, kl_weight: float):
    """Loss and gradient of one token."""
    value = torch.tensor([[current]], requires_grad=True)
    terms = token_losses(
        value,
        torch.tensor([[old]]),
        torch.tensor([[reference]]),
        torch.tensor([advantage]),
        0.2,
        kl_weight,
    )
    terms.loss.sum().backward()
    return terms.loss.item(), value.grad.item()


def test_an_infinite_kl_of_weight_0_counts_nothing() -> None:
    assert losses(-200.0, -200.0, -1.0, 1.0, 0.0) == (-1.0, -1.0)
    assert losses(-1.0, -1.0, -math.inf, 1.0, 0.0) == (-1.0, -1.0)
    loss, _ = losses(-200.0, -200.0, -1.0, 1.0, 0.04)
    assert loss == math.inf  # a weighted one ends the run


@pytest.mark.parametrize("excess", [80.0, 88.8, 100.0, 1e4])
def test_a_ratio_that_overflows_in_the_branch_not_taken_counts_nothing(excess: float) -> None:
    loss, gradient = losses(-1.0, -1.0 - excess, -1.0, 1.0, 0.0)
    assert (loss, gradient) == (pytest.approx(-1.2), 0.0)
    assert losses(-1.0, -1.0 - excess, -1.0, 0.0, 0.0) == (0.0, 0.0)
    loss, _ = losses(-1.0, -1.0 - excess, -1.0, -1.0, 0.0)
    assert loss > 1e34  # the branch that is taken is as large as it is


@pytest.mark.parametrize(
    ("key", "other"),
    [("cpu_capability", "DEFAULT"), ("threads", 2), ("tokenizers", "0.1"), ("execution.row_tokens", 150)],
)
def test_a_run_that_goes_on_with_other_rounding_says_so(
    key: str,
    other: object,
    stopped_run: StoppedRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = stopped_run("sft", 4).copied(tmp_path)
    capfd.readouterr()
    changes: dict[str, object] = {}
    if key == "cpu_capability":
        monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: other)
    elif key == "tokenizers":
        before = provenance()
        packages = {**before["packages"], key: other}
        monkeypatch.setattr(
            "othink_mr1.training.session.provenance", lambda: {**before, "packages": packages}
        )
    else:
        changes = {"cpus" if key == "threads" else "row_tokens": other}
    run.start(**changes)
    torch.set_num_threads(1)
    said = capfd.readouterr().err
    assert f"other than before: {key}" in said
    assert f"now {other}; from here on its weights are not bit-identical to those of" in said
    first, second = read_manifest(run.output)["attempts"]
    assert "not_to_the_bit" not in first
    assert second["after_step"] == 3
    assert second["not_to_the_bit"][0].endswith(f"now {other}")


def test_the_same_machine_says_nothing(
    stopped_run: StoppedRun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = stopped_run("sft", 4).copied(tmp_path)
    run.start(save_every_minutes=5.0, hours=2.0)
    assert "not bit-identical" not in capfd.readouterr().err
    attempts = read_manifest(run.output)["attempts"]
    assert all("not_to_the_bit" not in attempt for attempt in attempts)
    assert all(
        attempt["cpu_capability"] and set(attempt["packages"]) == {*COMPUTING_PACKAGES}
        for attempt in attempts
    )


def test_what_a_state_does_not_tell_is_not_taken_for_equal(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States of before the capability was recorded."""
    run = new_run("sft")
    with monkeypatch.context() as patch:
        facts = Stopwatch.facts
        patch.setattr(Stopwatch, "facts", lambda self: {**facts(self), "cpu_capability": None})
        interrupted(monkeypatch, BATCHES["sft"], 4, run.start)
    run.start()
    told = read_manifest(run.output)["attempts"][1]["not_to_the_bit"]
    assert len(told) == 1
    assert told[0].startswith("cpu_capability unknown, now ")


def test_under_nohup_a_closed_terminal_ends_nothing(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run("sft")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    backward = sys.modules["othink_mr1.training.supervised"].supervised_backward

    def hung_up(*arguments: object) -> object:
        os.kill(os.getpid(), signal.SIGHUP)
        return backward(*arguments)

    try:
        monkeypatch.setattr("othink_mr1.training.supervised.supervised_backward", hung_up)
        run.start()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (run.output / "manifest.json").exists()


def modes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): oct(stat.S_IMODE(path.stat().st_mode))
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_file_can_be_read_by_whoever_may_read_its_folder(
    new_run: NewRun, examples_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """safetensors makes files of mode 0600."""
    before = os.umask(0o022)
    try:
        run = new_run("grpo")
        interrupted(monkeypatch, BATCHES["grpo"], 4, run.start)
        assert set(modes(run.states).values()) == {"0o644"}, modes(run.states)
        run.start()
        files = {"scenes": examples_file, "geometry": examples_file}
        pretrain_backbone(tiny_settings(), execution(), files, tmp_path / "backbone")
    finally:
        os.umask(before)
    for folder in (run.output, tmp_path / "backbone"):
        assert "0o600" not in modes(folder).values(), modes(folder)
        assert set(modes(folder).values()) == {"0o644"}, modes(folder)


def test_the_entry_point_says_it_in_one_line(
    tiny: Tiny, examples_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = sft_settings(learning_rate=3e38)
    error = run(
        "train_sft",
        *("--run", description(settings).model_dump_json()),
        *("--execution", execution().model_dump_json()),
        *("--examples", examples_file, "--backbone", tiny.folder, "--output", tmp_path / "run"),
    )
    assert error.startswith("error: step ")
    assert "\n" not in error
    assert "Traceback" not in capfd.readouterr().err
