"""The chance of being the best, against made-up points whose chances are known."""

from __future__ import annotations

import numpy as np
import pytest

from othink_mr1.exhibits import chance_of_best as module
from othink_mr1.exhibits.chance_of_best import chance_of_best
from othink_mr1.exhibits.read_points import PointScores


def point(table: np.ndarray, pictures: tuple[str, ...] | None = None) -> PointScores:
    """table: [seeds, items] of 0 or 1."""
    items = tuple(map(str, range(table.shape[1])))
    seeds = tuple(range(len(table)))
    return PointScores(seeds, items, pictures or items, table, table, table, table)


def drawn(random: np.random.Generator, share: float, seeds: int, items: int) -> PointScores:
    return point((random.random((seeds, items)) < share).astype(int))


def test_equal_answers_share_the_draws() -> None:
    one = drawn(np.random.default_rng(1), 0.5, 3, 50)
    assert chance_of_best([one] * 2) == pytest.approx([0.5, 0.5], abs=0.03)
    same = point(np.ones((3, 50), dtype=int))
    assert chance_of_best([same] * 4) == [0.25] * 4


def test_a_clear_winner_wins_and_the_shares_add_up() -> None:
    random = np.random.default_rng(2)
    shares = chance_of_best([drawn(random, share, 5, 200) for share in (0.3, 0.5, 0.9)])
    assert shares[2] > 0.999
    assert sum(shares) == pytest.approx(1)


def test_one_point_alone_is_the_best() -> None:
    assert chance_of_best([drawn(np.random.default_rng(3), 0.5, 3, 20)]) == [1.0]


def test_the_same_scores_give_the_same_shares() -> None:
    points = [drawn(np.random.default_rng(seed), 0.5, 3, 40) for seed in (4, 5)]
    assert chance_of_best(points) == chance_of_best(points)


def test_seeds_that_spread_leave_more_open() -> None:
    """Two methods with the same means: of one seed pattern each, and of seeds far apart."""
    narrow = [np.tile([1] * width + [0] * (40 - width), (4, 1)) for width in (20, 24)]
    wide = [
        np.array([[1] * width + [0] * (40 - width) for width in widths])
        for widths in ((0, 40, 0, 40), (4, 40, 12, 40))
    ]
    assert [table.mean() for table in narrow] == [table.mean() for table in wide]
    assert chance_of_best([point(table) for table in narrow])[1] > 0.95
    assert 0.5 < chance_of_best([point(table) for table in wide])[1] < 0.75


def test_the_shares_are_those_of_a_plain_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed by seed and picture by picture, with the items of a picture together."""
    random = np.random.default_rng(6)
    pictures = tuple(f"p{number // 2}" for number in range(24))
    # The two items of a picture are right together, so that 24 items say no more than 12.
    right = np.tile(np.repeat([0, 1, 1], 4), (3, 1))
    tables = [np.repeat(table, 2, axis=1) for table in (right, 1 - right, 1 - random.permuted(right, axis=1))]
    monkeypatch.setattr(module, "DRAWS", 20_000)
    found = chance_of_best([point(table, pictures) for table in tables])
    wins = np.zeros(3)
    for _ in range(4000):
        chosen = random.integers(0, 12, size=12)
        columns = [2 * picture + place for picture in chosen for place in (0, 1)]
        means = [table[random.integers(0, 3, size=3)][:, columns].mean() for table in tables]
        best = np.isclose(means, max(means))
        wins += best / best.sum()
    assert found == pytest.approx(list(wins / 4000), abs=0.03)


def test_other_items_are_no_mistake_of_a_user() -> None:
    with pytest.raises(AssertionError, match="other items"):
        chance_of_best([point(np.ones((2, 3), int)), point(np.ones((2, 4), int))])
