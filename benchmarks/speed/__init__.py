"""Speed and memory of this project's training and evaluation, beside TRL's, R1-V's and transformers'.

`make bench` runs everything; docs/speed.md says how it was measured.
"""
