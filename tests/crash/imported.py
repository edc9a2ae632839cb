"""What the entry points import late and slowly. A process that has it is forked for undisturbed starts."""

import parity_rewards  # noqa: F401
import torch

import othink_mr1.evaluation.generate
import othink_mr1.training.grpo_runs
import othink_mr1.training.sft_runs  # noqa: F401

torch.set_num_threads(1)  # before a fork there must be no other threads
