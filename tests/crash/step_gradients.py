"""The gradients of a step's lessons, by all processes: step_gradients.py OUT none|fsdp2 kept|recomputed

The first process writes them. Each of the 5 lessons is a row, so that processes have unequal numbers of rows.
With fsdp2 also OUT.json: the bytes of its part of weights and gradients, counted and as in docs/cost.md.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from safetensors.torch import save_file

from othink_mr1.cost.memory import Row, training_memory
from othink_mr1.cost.model_shape import shape_of_values
from othink_mr1.modeling.own_kernels import use_own_kernels
from othink_mr1.modeling.processes import processes_of
from othink_mr1.modeling.prompts import PromptMaker, fill_template
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.optimisation import prepare_for_training
from othink_mr1.training.sharding import shard, whole
from othink_mr1.training.supervised import make_lessons, supervised_backward
from tiny import EXAMPLES, TEMPLATE, build_backbone, execution

out, sharding, activations = sys.argv[1:]
processes = processes_of(execution(gpus=int(os.environ.get("WORLD_SIZE", "0"))))
model, processor = build_backbone()
use_own_kernels(model)
prepare_for_training(model, True, activations == "recomputed")
model.train()
if sharding == "fsdp2":
    shard(model, processes)
examples = EXAMPLES[:5]
prompts = PromptMaker(model, processor).make(
    [example.image for example in examples],
    [fill_template(TEMPLATE, example.question) for example in examples],
)
lessons = processes.share(make_lessons(processor, prompts, examples))
supervised_backward(new_accelerator("cpu"), model, lessons, "fp32", 1, processes)
gradients = {name: whole(weight.grad) for name, weight in model.named_parameters() if weight.grad is not None}
if processes.is_first:
    save_file(gradients, out)
    if sharding == "fsdp2":
        estimate = training_memory(
            shape_of_values(model.config.to_dict()),
            Row(0, 0, 0),
            precision="fp32",
            train_vision_tower=True,
            gradient_checkpointing=True,
            has_reference=False,
            decoding=0.0,
            sharing=processes.count,
        )
        weights = sum(weight.to_local().nbytes for weight in model.parameters())
        gradients = sum(weight.grad.to_local().nbytes for weight in model.parameters())
        compared = [[weights, gradients], [round(estimate.weights), round(estimate.gradients)]]
        Path(f"{out}.json").write_text(json.dumps(compared))
