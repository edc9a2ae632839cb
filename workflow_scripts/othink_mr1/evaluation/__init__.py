"""Generating answers to the test questions."""
