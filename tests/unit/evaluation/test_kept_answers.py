"""Answers that are generated item by item: none is lost, and a restart changes none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.artefacts.provenance import provenance
from othink_mr1.data.examples import write_examples
from othink_mr1.errors import UserError
from othink_mr1.evaluation import kept_answers
from othink_mr1.evaluation.generate import generate_answers
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.evaluation.kept_answers import Completion, KeptAnswers
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.processor import load_processor, stop_tokens
from othink_mr1.modeling.prompts import PromptMaker
from othink_mr1.modeling.settled_greedy import SettledGreedy
from othink_mr1.modeling.token_choice import greedy
from othink_mr1.scoring.answers import read_answers
from tiny import EXAMPLES, GENERATION, TEMPLATE, Tiny


class Killed(BaseException):
    """Stands for a kill."""


class Generation:
    """Two tasks on one checkpoint, in one results root."""

    def __init__(self, root: Path, checkpoint: Path, lengths: tuple[int, int] = (6, 9)) -> None:
        root.mkdir(exist_ok=True)
        self.checkpoint = checkpoint
        write_examples(EXAMPLES, root / "examples.parquet")
        self.folders = [root / "counting", root / "geometry"]
        self.tasks = [
            GenerationTask(name=folder.name, prompt=TEMPLATE, max_new_tokens=length)
            for folder, length in zip(self.folders, lengths, strict=True)
        ]

    def start(self) -> list[bytes]:
        for task, folder in zip(self.tasks, self.folders, strict=True):
            generate_answers(
                self.checkpoint,
                "base",
                GENERATION,
                "fp32",
                task,
                folder.with_name("examples.parquet"),
                folder,
            )
        return [(folder / "answers.jsonl").read_bytes() for folder in self.folders]

    def killed(self, patch: pytest.MonkeyPatch, after: int) -> None:
        """Start it, and end it when so many items are answered."""
        with patch.context() as context:
            self._count(context, after)
            with pytest.raises(Killed):
                self.start()

    def answered(self, patch: pytest.MonkeyPatch) -> int:
        """Start it, and return how many items it answered."""
        with patch.context() as context:
            count = self._count(context, None)
            self.start()
        return len(count)

    def _count(self, patch: pytest.MonkeyPatch, most: int | None) -> list[int]:
        original, count = KeptAnswers.add, []

        def add(kept: KeptAnswers, item: int, completion: Completion) -> None:
            if len(count) == most:
                raise Killed
            count.append(item)
            original(kept, item, completion)

        patch.setattr(KeptAnswers, "add", add)
        return count


@pytest.fixture(autouse=True, scope="module")
def three_at_a_time() -> Iterator[None]:
    """So that others take the places of those that end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("othink_mr1.evaluation.batch_size.ON_CPU", 3)
        yield


@pytest.fixture
def generation(tiny: Tiny, tmp_path: Path) -> Generation:
    return Generation(tmp_path / "results", tiny.folder)


@pytest.fixture(scope="module")
def expected(_built: Tiny, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return Generation(tmp_path_factory.mktemp("undisturbed"), _built.folder).start()


ITEMS = 2 * len(EXAMPLES)


# Also within the second task: the first one, which is complete, is not answered again.
@pytest.mark.parametrize("after", range(1, ITEMS))
def test_a_restart_answers_the_missing_items_alone(
    after: int, generation: Generation, expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    generation.killed(monkeypatch, after)
    assert generation.answered(monkeypatch) == ITEMS - after
    assert generation.start() == expected
    assert not list(generation.folders[0].parent.rglob(kept_answers.NAME))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("after", [0, 4, 9])
@pytest.mark.parametrize("window", [1, 2, 64])
def test_pictures_prepared_ahead_change_no_answer(
    threads: int,
    after: int,
    window: int,
    generation: Generation,
    expected: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a GPU."""
    original, made = PromptMaker.make, []

    def make(self: PromptMaker, images: list[bytes], texts: list[str]) -> list:
        made.append(threading.current_thread().name.partition("_")[0])
        return original(self, images, texts)

    with monkeypatch.context() as patch:
        patch.setattr("othink_mr1.evaluation.generate.background_threads", lambda _: threads)
        patch.setattr("othink_mr1.evaluation.generate.AHEAD", window)
        generation.killed(monkeypatch, after)
        patch.setattr(PromptMaker, "make", make)
        assert generation.start() == expected
    assert made.count("prompts") == ITEMS - after


def test_a_damaged_picture_is_the_same_error_prepared_ahead(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = [*EXAMPLES[:-1], replace(EXAMPLES[-1], image=b"no picture")]
    write_examples(examples, generation.folders[0].with_name("examples.parquet"))
    errors = []
    for threads in (0, 2):
        monkeypatch.setattr("othink_mr1.evaluation.generate.background_threads", lambda _, n=threads: n)
        with pytest.raises(OSError, match="cannot identify image file") as caught:
            generation.start()
        errors.append((type(caught.value), str(caught.value).partition(" at 0x")[0]))
    assert errors[0] == errors[1]


def test_an_answer_tells_whether_it_was_cut(generation: Generation) -> None:
    """The tiny model's weights are random: hardly one of its answers comes to an end by itself."""
    generation.start()
    for folder, task in zip(generation.folders, generation.tasks, strict=True):
        answers = read_answers(folder / "answers.jsonl")
        assert {answer.truncated for answer in answers} <= {True, False}
        tokenizer = load_processor(generation.checkpoint).tokenizer
        for answer in answers:
            written = len(tokenizer(answer.completion)["input_ids"])
            assert answer.truncated or written < task.max_new_tokens
    assert any(answer.truncated for answer in answers)


@pytest.mark.parametrize("how", ["torn", "flipped", "emptied", "garbage", "twice"])
def test_damaged_lines_are_answered_again(
    how: str,
    generation: Generation,
    expected: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    generation.killed(monkeypatch, 5)
    file = generation.folders[0] / kept_answers.NAME
    data = file.read_bytes()
    lines = data.splitlines(keepends=True)
    damaged = {
        "torn": data[:-4],
        "flipped": data.replace(b'completion": "', b'completion": "!', 1),
        "emptied": b"",
        "garbage": lines[0] + b"\x00\xff null\n[1]\n" + b"".join(lines[1:]),
        "twice": data + lines[0],
    }
    file.write_bytes(damaged[how])
    missing = {"torn": 1, "flipped": 1, "emptied": 5, "garbage": 0, "twice": 0}[how]
    assert generation.answered(monkeypatch) == ITEMS - 5 + missing
    assert generation.start() == expected
    said = {"torn": 1, "flipped": 1, "garbage": 2}.get(how)
    assert (f"{file}: {said} lines are damaged" in capsys.readouterr().err) == (said is not None)


FIVE = Completion('five\n"\ud800 ☺', True)


def test_every_flipped_byte_of_a_line_is_seen(tmp_path: Path) -> None:
    with KeptAnswers(tmp_path, {"run": "base"}, 3) as kept:
        kept.add(1, FIVE)
    file = tmp_path / kept_answers.NAME
    data = file.read_bytes()
    for place in range(len(data)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with KeptAnswers(tmp_path, {"run": "base"}, 3) as kept:
            # JSON has several spellings of a text: what is read must be what was written.
            assert kept.completions in ({}, {1: FIVE})
    file.write_bytes(data)
    with KeptAnswers(tmp_path, {"run": "base"}, 3) as kept:
        assert kept.completions == {1: FIVE}
    with KeptAnswers(tmp_path, {"run": "another"}, 3) as kept:
        assert kept.completions == {}


def test_answers_that_other_code_goes_on_with_tell_of_both(
    generation: Generation, expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = provenance()
    with monkeypatch.context() as patch:
        patch.setattr("othink_mr1.evaluation.kept_answers.provenance", lambda: {**at, "commit": "former"})
        generation.killed(patch, 2)
    generation.killed(monkeypatch, 1)
    assert generation.start() == expected
    assert read_manifest(generation.folders[0])["commits"] == sorted(["former", at["commit"]])
    # The other task's were all answered by this code.
    assert read_manifest(generation.folders[1])["commits"] == [at["commit"]]


def test_answers_of_other_weights_are_not_taken_over(
    tiny: Tiny, generation: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    with torch.no_grad():
        tiny.model.get_input_embeddings().weight.mul_(2)
    tiny.model.save_pretrained(other)
    tiny.processor.save_pretrained(other)
    generation.killed(monkeypatch, 5)
    generation.checkpoint = other
    assert generation.answered(monkeypatch) == ITEMS
    assert read_manifest(generation.folders[0])["answered_before"] == 0
    generation.checkpoint = tiny.folder
    with pytest.raises(UserError, match=r"counting: is complete already, but was made with another made_of"):
        generation.start()


def test_settled_tokens_do_not_depend_on_rounding(tiny: Tiny, prompts: list) -> None:
    # Logits so close that the slightest rounding turns the likeliest token around.
    with torch.no_grad():
        weight = tiny.model.lm_head.weight
        tiny.model.lm_head.weight = torch.nn.Parameter(weight[:1] + 1e-5 * (weight - weight[:1]))

    def with_noise(choose, seed: int):
        noise = torch.Generator().manual_seed(seed)

        def chosen(logits, sequences, steps):
            disturbed = logits * (1 + 2e-5 * torch.rand(logits.shape, generator=noise))
            return choose(disturbed, sequences, steps)

        return chosen

    def tokens(choose) -> list[list[int]]:
        return decode(tiny.model, prompts, 1, 12, stop_tokens(tiny.processor), choose)

    def settled() -> SettledGreedy:
        return SettledGreedy(tiny.model, prompts, 12)

    expected = tokens(settled())
    assert [tokens(with_noise(settled(), seed)) for seed in range(3)] == [expected] * 3
    assert tokens(with_noise(greedy, 1)) != expected


def test_near_is_a_share_of_the_largest_logit(tiny: Tiny, prompts: list, monkeypatch) -> None:
    """By a difference of 1e-3 each of small logits was computed alone: a third of an evaluation's time."""
    choose = SettledGreedy(tiny.model, prompts * 2, 1)
    alone: list[int] = []
    monkeypatch.setattr(choose, "_alone", lambda sequence, step: alone.append(sequence) or 0)
    near, far = 1 - 0.9e-4, 1 - 1.1e-4
    logits = [[20, 20 * near, -torch.inf], [20, 20 * far, 1], [0.1, 0.1 * far, 0], [-20 * near, -20, -30]]
    choose(torch.tensor(logits), torch.arange(4), torch.zeros(4, dtype=torch.long))
    assert alone == [0, 3]


def test_without_near_rivals_it_is_greedy(tiny: Tiny, prompts: list) -> None:
    def tokens(choose) -> list[list[int]]:
        return decode(tiny.model, prompts, 1, 12, stop_tokens(tiny.processor), choose)

    assert tokens(SettledGreedy(tiny.model, prompts, 12)) == tokens(greedy)
