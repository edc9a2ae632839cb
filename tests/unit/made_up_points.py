"""Verdicts of points, made up for the tests of intervals and claims."""

import numpy as np

from othink_mr1.exhibits.read_points import PointScores


def point(correct, seeds=None, pictures=None) -> PointScores:
    """A point of [seeds, items] or [items] verdicts; seeds (None,) for the untrained backbone."""
    verdicts = np.atleast_2d(np.asarray(correct, dtype=int))
    names = tuple(str(number) for number in range(verdicts.shape[1]))
    seeds = seeds or tuple(range(len(verdicts)))
    return PointScores(seeds, names, tuple(pictures or names), verdicts, verdicts, verdicts, 0 * verdicts)


def pair(only_first: int, only_second: int, both: int = 0, neither: int = 0, seeds=None):
    """Two points of one seed each, by how many items which of them has right."""
    first = [1] * only_first + [0] * only_second + [1] * both + [0] * neither
    second = [0] * only_first + [1] * only_second + [1] * both + [0] * neither
    return point(first, seeds), point(second, seeds)


def seeds_of_accuracy(*right: int, items: int, random_state: int = 0) -> np.ndarray:
    """[seeds, items]: each seed has its number of items right, the easier ones first, with some noise."""
    rng = np.random.default_rng(random_state)
    ease = np.arange(items)
    rows = []
    for count in right:
        order = np.argsort(ease + rng.normal(0, items / 4, items))
        rows.append(np.isin(np.arange(items), order[:count]).astype(int))
    return np.array(rows)
