"""A task's data card in Markdown: where its two sets come from, what is in them, what they share."""

from __future__ import annotations

import io
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.data.examples import EXAMPLES_FILE, read_examples
from othink_mr1.data.images import UNREADABLE
from othink_mr1.data.leaks import Leak, count_leaks, read_leaks
from othink_mr1.errors import UserError
from othink_mr1.exhibits.labels import task_label
from othink_mr1.exhibits.plans import DataCardPlan, DataSet
from othink_mr1.exhibits.text import markdown_table, markdown_text

TRAIN, TEST = "training", "test"
_FREQUENT = 8  # answers that are listed
_NAMED = 10  # leaks that are listed
_ABSENT = "–"


@dataclass(frozen=True)
class SetFacts:
    """A card's facts about a prepared set. rows: the prepared (usable) ones; raw_rows: before preparation.

    unusable: reason -> rows left out for it; sizes: width and height of each picture in pixels;
    question_lengths: in characters; with_reasoning: rows; golds: answer -> rows.
    """

    rows: int
    raw_rows: int
    unusable: dict[str, int]
    sizes: list[tuple[int, int]]
    question_lengths: list[int]
    with_reasoning: int
    golds: Counter[str]


def set_facts(folder: Path) -> SetFacts:
    """Read a prepared set, once. UserError if it is incomplete, empty or damaged."""
    manifest = read_manifest(folder)
    for key in ("raw_rows", "unusable"):
        if key not in manifest:
            raise UserError(f"{folder / MANIFEST}: has no {key!r}; delete it and run snakemake again")
    sizes: list[tuple[int, int]] = []
    lengths: list[int] = []
    golds: Counter[str] = Counter()
    with_reasoning = 0
    for example in read_examples(folder / EXAMPLES_FILE):
        try:
            with Image.open(io.BytesIO(example.image)) as image:  # reads only the header
                sizes.append(image.size)
        except UNREADABLE as error:
            where = f"{folder}: the picture of {example.id}"
            raise UserError(f"{where} cannot be read ({error}); prepare the set again") from None
        lengths.append(len(example.question))
        with_reasoning += example.reasoning is not None
        golds[example.gold] += 1
    if not sizes:
        raise UserError(f"{folder / EXAMPLES_FILE}: has no examples; prepare the set again")
    raw_rows, unusable = manifest["raw_rows"], manifest["unusable"]
    return SetFacts(len(sizes), raw_rows, unusable, sizes, lengths, with_reasoning, golds)


def data_card(plan: DataCardPlan, results: Path, facts: Mapping[str, SetFacts], chart: str) -> str:
    """The card. facts: of TRAIN and TEST; chart: the picture's path as in the card."""
    leaks = read_leaks(results / plan.leaks)
    label = task_label(plan.task)
    title = plan.task if label == plan.task else f"{plan.task} ({label})"
    blocks = [
        [f"# Data of {markdown_text(title)}"],
        ["Made by the workflow from the sets as they were downloaded or rendered, and prepared."],
        ["## Sources"],
        sources_table([(TRAIN, plan.train), (TEST, plan.test)], results),
        ["## Rows"],
        _rows(plan, facts),
        [
            "Least / middle / greatest value where there are three. Images as prepared, in pixels; questions "
            "in characters, without the prompt around them."
        ],
        _unusable(facts),
        ["## Prompts"],
        ["Of training, then of the test, as they are written in the config:"],
        verbatim(plan.prompts.train),
        verbatim(plan.prompts.test),
        ["## Gold answers"],
        [f"![Gold answers of {markdown_text(plan.task)}]({chart})"],
        _frequent(facts),
        ["## Test items that also stand in the training set"],
        *_leaks(leaks, facts[TEST].rows),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def verbatim(text: str) -> list[str]:
    """Lines of an indented code block: white space is kept, and no text can end it."""
    return [f"    {line}" for line in text.splitlines()]


def sources_table(sets: Sequence[tuple[str, DataSet]], results: Path) -> list[str]:
    """Where sets come from, with licences: lines of a table. sets: each with its label."""
    head = ["Set", "Source", "From", "Revision", "Commit", "Licence", "Files", "Size"]
    rows = []
    for label, declared in sets:
        name = markdown_text(label)
        for folder in declared.raw:
            manifest = read_manifest(results / folder)
            settings = manifest.get("source")
            if not isinstance(settings, dict) or "kind" not in settings:
                raise UserError(
                    f"{results / folder / MANIFEST}: does not say of which source the files are; "
                    "delete it and run snakemake again"
                )
            files = manifest["files"].values()
            rows.append(
                [
                    name,
                    markdown_text(Path(folder).name.rpartition("-")[0]),
                    *_origin(settings, manifest),
                    str(len(files)),
                    f"{sum(file['bytes'] for file in files) / 1e6:,.1f} MB",
                ]
            )
        if (content := read_manifest(results / declared.folder).get("content")) is not None:
            said = [f"a file or folder of yours, sha256 of its rows {content}", *[_ABSENT] * 5]
            rows.append([name, markdown_text(declared.source), *said])
    return markdown_table(head, rows, right=2)


def _origin(settings: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Four cells: the source, the revision as configured, the commit, the licence that the source states."""
    if settings["kind"] == "rendered":
        said = (
            f"drawn here: {settings['renderer']}, split {settings['split']}, seed {settings['seed']}, "
            f"{settings['image_size']} pixels wide"
        )
        return [markdown_text(said), _ABSENT, _ABSENT, _ABSENT]
    licence = markdown_text(str(manifest.get("licence") or "not stated"))
    if settings["kind"] == "url":
        # The base address is not recorded: it may be a private mirror's, and the sha256 is sufficient.
        where = f"{settings['path']} (on the web)"
        return [markdown_text(where, 300), _ABSENT, f"sha256 {markdown_text(settings['sha256'])}", licence]
    repository = f"{settings['repository']} ({settings.get('repository_type', 'dataset')} on the hub)"
    commit = manifest.get("revision") or "not recorded"
    return [*(markdown_text(str(text)) for text in (repository, settings["revision"], commit)), licence]


def _rows(plan: DataCardPlan, facts: Mapping[str, SetFacts]) -> list[str]:
    found = [facts[TRAIN], facts[TEST]]
    rows = [
        ["set", *(markdown_text(one.source) for one in (plan.train, plan.test))],
        ["rows in the source", *(str(one.raw_rows) for one in found)],
        ["rows used", *(str(one.rows) for one in found)],
        ["rows left out as unusable", *(str(sum(one.unusable.values())) for one in found)],
        ["with reasoning", *(f"{one.with_reasoning / one.rows:.1%}" for one in found)],
        ["image width", *(_spread(width for width, _ in one.sizes) for one in found)],
        ["image height", *(_spread(height for _, height in one.sizes) for one in found)],
        ["length of the question", *(_spread(one.question_lengths) for one in found)],
        ["different answers", *(str(len(one.golds)) for one in found)],
    ]
    return markdown_table(["", TRAIN, TEST], rows, right=2)


def _unusable(facts: Mapping[str, SetFacts]) -> list[str]:
    rows = [
        [name, markdown_text(reason), str(count)]
        for name, one in facts.items()
        for reason, count in sorted(one.unusable.items())
    ]
    return markdown_table(["Set", "Why rows were left out", "Rows"], rows, right=1) if rows else []


def _frequent(facts: Mapping[str, SetFacts]) -> list[str]:
    rows = []
    for name, one in facts.items():
        # Equally frequent ones are sorted by their text, so that the card is the same every time.
        most = sorted(one.golds.items(), key=lambda item: (-item[1], item[0]))[:_FREQUENT]
        said = ", ".join(f"{markdown_text(gold, 30)} ({count / one.rows:.1%})" for gold, count in most)
        rows.append([name, said])
    return markdown_table(["Set", "Most frequent answers"], rows)


def _leaks(leaks: list[Leak], items: int) -> list[list[str]]:
    """Blocks: the number of leaks, and the first ones."""
    counts = count_leaks(leaks)
    lines = [
        f"- {counts.same} of {items}: the same picture with the same question",
        f"- {counts.near} of {items}: a picture that looks alike (perceptual hash), with the same question",
        f"- {counts.picture} of {items}: the same picture, but only with other questions (an item may "
        "count in the line before too)",
    ]
    if not leaks:
        return [lines]
    head = ["Test item", "Training item", "Picture", "Bits apart", "Question", "Test question"]
    named = leaks[:_NAMED]
    rows = [
        [
            *map(markdown_text, (leak.test_id, leak.train_id)),
            *(leak.picture, str(leak.distance), leak.question),
            markdown_text(leak.test_question),
        ]
        for leak in named
    ]
    more = f"The first {len(named)} of {len(leaks)}; `leaks.csv` has all." if len(named) < len(leaks) else ""
    return [lines, markdown_table(head, rows), [more] if more else []]


def _spread(numbers: Iterable[int]) -> str:
    """Minimum, median and maximum of integers; of two middle ones, the median is the lower."""
    values = sorted(numbers)
    return f"{values[0]} / {statistics.median_low(values)} / {values[-1]}"
