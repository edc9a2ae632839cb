"""How often the exhibits' intervals hold the true value: made-up runs, of which the truth is known.

    PYTHONPATH=workflow_scripts .venv/bin/python -m benchmarks.interval_coverage [--studies N] [--items N]

A study's items and seeds are drawn anew each time. An answer is right with the probability
sigmoid(a + item + seed + seed·item), with normal effects of standard deviation 2 (item), 1 (seed·item) and
s (seed): methods find the same items hard, and trainings differ in which. s is set so that the accuracies of
seeds, each over all the items there could be, spread by a multiple (the column) of the standard error that
this many items give an accuracy.

Prints Markdown tables: docs/statistics.md has them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from othink_mr1.exhibits.accuracy_intervals import mean_accuracy
from othink_mr1.exhibits.paired_comparisons import compare
from othink_mr1.exhibits.read_points import PointScores

ITEM_SPREAD, SEED_ITEM_SPREAD = 2.0, 1.0  # standard deviations in logits
SPREADS = (0.0, 0.5, 1.0, 2.0, 4.0)
_NODES = norm.ppf((np.arange(400) + 0.5) / 400)  # of a normal distribution, equally likely


@dataclass(frozen=True)
class Method:
    """Made-up trainings of one kind: an accuracy, and how far their seeds spread."""

    intercept: float
    seed_spread: float  # in logits
    accuracy: float  # the true mean, over all seeds and items

    def draw(self, items: np.ndarray, seeds: int, rng: np.random.Generator) -> PointScores:
        """The verdicts of some seeds. items: [items] in logits; items of equal logit share a picture."""
        seed = self.seed_spread * rng.standard_normal((seeds, 1))
        each = SEED_ITEM_SPREAD * rng.standard_normal((seeds, len(items)))
        right = (rng.random(each.shape) < expit(self.intercept + items + seed + each)).astype(int)
        names = tuple(str(number) for number in range(len(items)))
        pictures = tuple(str(item) for item in items)
        return PointScores(tuple(range(seeds)), names, pictures, right, right, right, 0 * right)


def method(accuracy: float, spread: float, items: int) -> Method:
    """Trainings of this accuracy when seeds do not spread; spread: in standard errors of the items."""
    width = np.hypot(ITEM_SPREAD, SEED_ITEM_SPREAD)
    intercept = brentq(lambda a: expit(a + width * _NODES).mean() - accuracy, -30, 30)

    def of_seeds(s: float) -> np.ndarray:
        return expit(intercept + width * _NODES[None] + s * _NODES[:, None]).mean(axis=1)

    wanted = spread * np.sqrt(accuracy * (1 - accuracy) / items)
    s = brentq(lambda s: of_seeds(s).std() - wanted, 0, 50) if spread else 0.0
    return Method(intercept, s, float(of_seeds(s).mean()))


def coverage_of_means(accuracy: float, seeds: int, spread: float, items: int, studies: int) -> float:
    """The share of studies whose interval of a mean accuracy holds the true one."""
    rng = np.random.default_rng([seeds, int(1000 * accuracy), int(10 * spread)])
    made_up = method(accuracy, spread, items)
    held = 0
    for _ in range(studies):
        scores = made_up.draw(ITEM_SPREAD * rng.standard_normal(items), seeds, rng)
        estimate = mean_accuracy(scores.r1v_correct, scores.pictures)
        held += estimate.low <= made_up.accuracy <= estimate.high
    return held / studies


def coverage_of_differences(
    accuracies: tuple[float, float],
    seeds: tuple[int, int],
    spreads: tuple[float, float],
    items: int,
    studies: int,
    per_picture: int = 1,
) -> float:
    """The share of studies whose interval of a difference holds the true one."""
    rng = np.random.default_rng([*seeds, int(1000 * sum(accuracies)), int(10 * sum(spreads))])
    value, baseline = (method(a, s, items) for a, s in zip(accuracies, spreads, strict=True))
    truth = value.accuracy - baseline.accuracy
    held = 0
    for _ in range(studies):
        logits = np.repeat(ITEM_SPREAD * rng.standard_normal(items // per_picture), per_picture)
        there = compare(value.draw(logits, seeds[0], rng), baseline.draw(logits, seeds[1], rng))
        held += there.low <= truth <= there.high
    return held / studies


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=3000, help="made-up studies per cell")
    parser.add_argument("--items", type=int, default=200)
    arguments = parser.parse_args()
    items, studies = arguments.items, arguments.studies
    error = np.sqrt(0.95 * 0.05 / studies)
    print(f"{items} items, {studies} studies per cell; standard error of a cell about {error:.1%}\n")
    print(_head("mean accuracy | seeds"))
    for accuracy in (0.05, 0.2, 0.5, 0.8):
        for seeds in (3, 5, 10):
            cells = [coverage_of_means(accuracy, seeds, s, items, studies) for s in SPREADS]
            print(_line(f"{accuracy:.0%} | {seeds}", cells), flush=True)
    print("\n" + _head("difference of | seeds"))
    for accuracies in ((0.35, 0.30), (0.75, 0.70)):
        for seeds in ((3, 3), (5, 5), (10, 10), (3, 5)):
            cells = [coverage_of_differences(accuracies, seeds, (s, s), items, studies) for s in SPREADS]
            print(_line(_label(accuracies, seeds), cells), flush=True)
        for seeds in ((3, 1), (10, 1)):  # the baseline is the untrained backbone: no spread
            cells = [coverage_of_differences(accuracies, seeds, (s, 0), items, studies) for s in SPREADS]
            print(_line(_label(accuracies, seeds) + ", base", cells), flush=True)
        for seeds, alone in (((3, 3), 0), ((10, 3), 1)):  # the seeds of one side do not spread
            spreads = [(0.0, s) if alone else (s, 0.0) for s in SPREADS]
            cells = [coverage_of_differences(accuracies, seeds, pair, items, studies) for pair in spreads]
            print(
                _line(_label(accuracies, seeds) + f", spread of the {'second' if alone else 'first'}", cells),
                flush=True,
            )
        for one, several in ((1, 1), (1, 3)):  # one run each: what is true of its kind at spread 0
            name = _label(accuracies, (one, one)) + (f", {several} items per picture" if several > 1 else "")
            cell = coverage_of_differences(accuracies, (1, 1), (0, 0), items, studies, per_picture=several)
            print(_line(name, [cell]), flush=True)


def _label(accuracies: tuple[float, float], seeds: tuple[int, int]) -> str:
    return f"{accuracies[0]:.0%} and {accuracies[1]:.0%} | {seeds[0]} and {seeds[1]}"


def _head(first: str) -> str:
    cells = " | ".join(f"{spread:g} ×" for spread in SPREADS)
    return f"| {first} | {cells} |\n|---|---|" + "---:|" * len(SPREADS)


def _line(name: str, cells: list[float]) -> str:
    values = [f"{cell:.1%}" for cell in cells] + ["–"] * (len(SPREADS) - len(cells))
    return f"| {name} | {' | '.join(values)} |"


if __name__ == "__main__":
    main()
