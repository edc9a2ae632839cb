"""How often each method would have the highest accuracy, had other seeds and other test items been drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from othink_mr1.exhibits.accuracy_intervals import per_picture
from othink_mr1.exhibits.read_points import PointScores

DRAWS = 10_000
_AT_A_TIME = 1_000


def chance_of_best(points: Sequence[PointScores]) -> list[float]:
    """The share of bootstrap draws in which each point's accuracy is the highest; equals share a draw.

    Each draw takes as many pictures as there are, with replacement, the same for all points, as they answer
    the same items; and for each point as many of its seeds, independently, as its trainings are (Owen 2007,
    Annals of Applied Statistics 1, 386-411: pigeonhole bootstrap). The same scores give the same shares.
    """
    assert len({(point.items, point.pictures) for point in points}) == 1, "other items: not comparable"
    tables = [per_picture(point.r1v_correct, point.pictures) for point in points]  # each [seeds, pictures]
    random = np.random.default_rng(0)
    wins = np.zeros(len(tables))
    for start in range(0, DRAWS, _AT_A_TIME):
        draws = min(_AT_A_TIME, DRAWS - start)
        pictures = _counts(random, draws, tables[0].shape[1])
        means = np.stack(
            [
                ((_counts(random, draws, len(table)) @ table) * pictures).sum(axis=1) / table.size
                for table in tables
            ]
        )  # [points, draws]
        # Rounded, because sums in another order would part equal ones.
        best = (rounded := means.round(12)) == rounded.max(axis=0)
        wins += (best / best.sum(axis=0)).sum(axis=1)
    return [float(share) for share in wins / DRAWS]


def _counts(random: np.random.Generator, draws: int, size: int) -> np.ndarray:
    """How often each of `size` is drawn, in `draws` draws of `size` with replacement. [draws, size]"""
    return random.multinomial(size, np.full(size, 1 / size), size=draws).astype(float)
