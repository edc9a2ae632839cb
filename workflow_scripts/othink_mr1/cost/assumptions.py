"""What the config does not say: shares of what a card can do, lengths of answers. Estimated, not measured."""

from __future__ import annotations

# Of the data sheet's peak in products. 280 TFLOP/s of an H100's 989 would be 0.28; libraries for training
# report 0.3 to 0.5 for models of billions, at long rows.
SHARE_OF_PEAK = 0.3
# Of the data sheet's memory bandwidth while decoding, which reads all weights for every token. A guess: the
# gaps between a CUDA graph's kernels cost about as much as the bytes (docs/launches.md).
SHARE_OF_BANDWIDTH = 0.5
# Mean length of an answer divided by the longest that the config allows. The longest of a rollout has all.
MEAN_BY_LONGEST = 0.5
# Questions that an evaluation answers at a time.
EVALUATION_BATCH = 128
# `<answer> 7 </answer>` and the end of the message.
ANSWER_TOKENS = 10
# What R1-V's SFT puts around the question: its system message, the marks of roles.
R1V_SYSTEM_TOKENS = 110
