"""Reproduction of OThink-MR1: the study, its data, training, evaluation and exhibits.

docs/architecture.md lists the folders, and which imports from which.
"""

__version__ = "0.1.0"
