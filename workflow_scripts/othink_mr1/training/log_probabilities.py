"""Log-probabilities of completions under a model, prompts computed once and shared by their completions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import pack, pad_rows, row_hidden_states
from othink_mr1.modeling.prompts import Prompt

# Logits are the largest tensor of all (a real vocabulary has 152k entries): so many numbers at a time.
LOGITS_AT_A_TIME = 2**27


def completion_log_probabilities(
    model: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    completions: Sequence[Sequence[int]],
    owners: Sequence[int],
    temperature: float = 1.0,
) -> Tensor:
    """log π(token | image, prompt, tokens before), in nats, fp32: [completions, longest], zeros behind ends.

    completions: token ids; owners: index of each completion's prompt. temperature divides the logits, as
    in sampling. The softmax is over the whole vocabulary: what sampling leaves out (top_k, placeholders)
    counts here, as in TRL.
    """
    used = sorted(set(owners))
    row = pack(
        [prompts[owner] for owner in used],
        completions,
        [used.index(owner) for owner in owners],
        model.device,
    )
    hidden = row_hidden_states(model, row).index_select(0, row.predictors)  # [completion tokens, hidden]
    targets = torch.cat([torch.tensor(completion) for completion in completions]).to(model.device)
    values = _log_probabilities(model.lm_head, hidden, targets, temperature)
    return pad_rows(values, row.completion_lengths)


def _log_probabilities(head: torch.nn.Linear, hidden: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """[tokens, hidden], [tokens] -> [tokens]."""
    at_a_time = max(1, LOGITS_AT_A_TIME // head.out_features)
    if len(targets) <= at_a_time:
        return _chunk_log_probabilities(head, hidden, targets, temperature)
    # Recomputing a chunk's logits in the backward pass keeps only one chunk of them in memory.
    return torch.cat(
        [
            checkpoint(_chunk_log_probabilities, head, *chunk, temperature, use_reentrant=False)
            for chunk in zip(hidden.split(at_a_time), targets.split(at_a_time), strict=True)
        ]
    )


def _chunk_log_probabilities(
    head: torch.nn.Linear, hidden: Tensor, targets: Tensor, temperature: float
) -> Tensor:
    logits = head(hidden).float()
    if temperature != 1.0:
        logits = logits / temperature
    return -cross_entropy(logits, targets, reduction="none")
