"""Reproduction of OThink-MR1: the study, its data, training, evaluation and exhibits.

Imports point one way: study <- data <- scoring <- modeling <- training <- evaluation <- exhibits.
"""

__version__ = "0.1.0"
