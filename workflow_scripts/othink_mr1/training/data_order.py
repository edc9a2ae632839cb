"""Which examples a step uses: a permutation per epoch, computed from the step number only.

There is no iterator state, so a run that resumes at step n uses the same examples as an uninterrupted one.
"""

from __future__ import annotations

import numpy as np


def example_indices(step: int, batch: int, examples: int, seed: int) -> list[int]:
    """The examples of a step (counted from 1): places (step-1)·batch .. step·batch-1 of an endless order.

    The order is one permutation of all examples per epoch, drawn from (seed, epoch). A batch may continue
    into the next epoch.
    """
    places = range((step - 1) * batch, step * batch)
    epochs = {place // examples for place in places}
    order = {epoch: np.random.default_rng([seed, epoch]).permutation(examples) for epoch in epochs}
    return [int(order[place // examples][place % examples]) for place in places]
