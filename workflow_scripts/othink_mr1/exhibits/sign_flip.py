"""The exact test of paired differences."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def sign_flip_p(differences: Iterable[int]) -> float:
    """Two-sided p that differences like these, each as likely of the other sign, sum up so far from 0.

    differences: a whole number per picture. All 2^n signs are counted, by convolution of the distribution of
    the sum with one difference after the other. Where the differences are 0 and ±1 this is McNemar's exact
    test. (Fisher 1935, The Design of Experiments, section 21.)
    """
    sizes = [abs(int(difference)) for difference in differences if difference]
    distribution = np.ones(1)  # of the sum -> its probability; the middle is 0
    for size in sizes:
        wider = np.zeros(len(distribution) + 2 * size)
        wider[: len(distribution)] += distribution / 2
        wider[2 * size :] += distribution / 2
        distribution = wider
    observed = abs(sum(int(difference) for difference in differences))
    sums = np.abs(np.arange(len(distribution)) - sum(sizes))
    return min(1.0, float(distribution[sums >= observed].sum()))
