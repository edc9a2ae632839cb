"""How many answers per second the scorers do, with one worker and with two: one JSON line each.

    PYTHONPATH=workflow_scripts python benchmarks/score_answers.py [--items 6000]

The completions are made here, no two alike, in the manner of Qwen2-VL on GeoQA: some sentences of reasoning
with numbers, degrees and formulas, 400 characters in the mean, then an answer that is right in half of the
items. Starting the workers is not counted, warming up is.
"""

from __future__ import annotations

import argparse
import json
import random
import time

from othink_mr1.scoring.workers import Question, ScoringWorkers

THINKING = (
    "In the figure, AB is parallel to CD, so ∠1 = ∠2 = {a}°. The angles of the triangle add up to 180°, "
    "therefore ∠3 = 180° - {a}° - {b}° = {c}°. ",
    "By the theorem of Pythagoras, $AB^2 = AC^2 + BC^2$, so $AB = \\sqrt{{{a}^2 + {b}^2}}$, about {c}. ",
    "Since ∠AOB is a central angle, ∠ACB = \\frac{{1}}{{2}}∠AOB = {c}°. ",
    "The area of the sector is {a} × π × {b}² ÷ 360 = {c}π square centimeters. ",
    "Given that the two triangles are similar, AD : AB = DE : BC = {a} : {b}. ",
)
FORMS = ("{n}°", "{n}", "{n}cm", "\\frac{{{n}}}{{7}}", "{n}√{{3}}", "{n}π", "{n}.5", "{n}米")


def items(count: int) -> list[tuple[str, str]]:
    """Pairs of completion and gold."""
    rng = random.Random(4)
    made = []
    for _ in range(count):
        numbers = {name: rng.randint(2, 179) for name in "abc"}
        thinking = "".join(rng.choice(THINKING).format_map(numbers) for _ in range(rng.randint(2, 6)))
        gold_number = rng.randint(2, 179)
        form = rng.choices(FORMS, weights=(50, 18, 7, 6, 3, 2, 2, 1))[0]
        given = gold_number if rng.random() < 0.5 else rng.randint(2, 179)
        answer = form.format(n=given)
        made.append((f"<think>{thinking}</think>\n<answer> {answer} </answer>", form.format(n=gold_number)))
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=6000)
    arguments = parser.parse_args()
    pairs = items(arguments.items)
    for workers in (1, 2):
        for rule in ("r1v_correct", "exact_outcome", "r1v_reward"):
            questions = [Question("geometry", rule, *pair) for pair in pairs]
            with ScoringWorkers(workers) as pool:
                first = [
                    Question("geometry", "r1v_correct", f"<answer> {n} </answer>", "5") for n in range(200)
                ]
                pool.answers(first)  # the workers have started
                start = time.perf_counter()
                pool.answers(questions)
                seconds = time.perf_counter() - start
            line = {"rule": rule, "workers": workers, "items": len(questions)}
            print(
                json.dumps(
                    {
                        **line,
                        "seconds": round(seconds, 2),
                        "items_per_second": round(len(questions) / seconds),
                    }
                )
            )


if __name__ == "__main__":
    main()
