"""Exhibits: scores collected into tidy csv files, and from these the tables, the figures and the claims.

Aggregating happens in pandas; Altair only draws. plans.py defines what a plan file contains.

A study may lack methods or points: every exhibit shows what there is and says what is missing.
"""
