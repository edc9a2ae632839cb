"""Which examples a step takes: a permutation per epoch, found from the step number alone.

Nothing is consumed or remembered, so a run that starts again at step n takes what it would have taken.
"""

from __future__ import annotations

import numpy as np


def example_indices(step: int, batch: int, examples: int, seed: int) -> list[int]:
    """The examples of a step (counted from 1): places (step-1)·batch .. step·batch-1 of the endless order.

    The order is a permutation of all examples per epoch, drawn from (seed, epoch). A batch may reach into
    the next epoch.
    """
    places = range((step - 1) * batch, step * batch)
    epochs = {place // examples for place in places}
    order = {epoch: np.random.default_rng([seed, epoch]).permutation(examples) for epoch in epochs}
    return [int(order[place // examples][place % examples]) for place in places]
