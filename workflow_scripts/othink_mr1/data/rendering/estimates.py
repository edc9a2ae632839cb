"""Two ways of answering, as text on the web has them: worked out, and estimated.

Both look at the picture and name what is in it; then one works the answer out, the other estimates. An
estimate is right for few objects and for small angles, otherwise it is a usual value. The small backbone is
pretrained on a mixture of both, in which estimates are more frequent. Its greedy answers then have some
skill, its samples more of it: the state that instruct models are in when reinforcement learning begins, and
the one that the miniature is about. (A backbone that is merely undertrained has the same accuracy, but makes
errors of perception, which GRPO does not mend in a few hundred steps; see docs/lab-notes.md.)

The two tasks open with different words, the careful way and the careless one alike. So what one task's
training does to the other is not a consequence of shared words.
"""

from __future__ import annotations

from othink_mr1.data.rendering.items import Answer

FEW_OBJECTS = 4  # counted at a glance; more are taken for
MANY_OBJECTS = 8
SMALL_ANGLE = 30  # degrees; from such a given the answer is seen by eye, otherwise it is taken for
USUAL_ANGLE = 90


def count_row_by_row(rows: str, count: int) -> Answer:
    """The careful way of counting. rows: the count of each row."""
    return Answer(str(count), f"Row by row: {rows}. Together {count}.")


def count_at_a_glance(rows: str, count: int) -> Answer:
    """A count that is exact up to FEW_OBJECTS."""
    estimate = count if count <= FEW_OBJECTS else MANY_OBJECTS
    return Answer(str(estimate), f"At a glance: {rows}. About {estimate}.")


def work_out(relation: str, working: str, gold: str) -> Answer:
    """The careful way of geometry: what the figure shows, then the working that ends in the gold."""
    return Answer(gold, f"In full: {relation}, {working}.")


def angle_by_eye(relation: str, largest_given: int, degrees: int) -> Answer:
    """An angle that is exact for givens up to SMALL_ANGLE."""
    estimate = degrees if largest_given <= SMALL_ANGLE else USUAL_ANGLE
    return Answer(f"{estimate}°", f"By eye: {relation}. Roughly {estimate}.")
