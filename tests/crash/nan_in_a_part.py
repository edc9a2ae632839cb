"""What each of two processes finds in a sharded model when a weight is nan in the second one's part."""

from __future__ import annotations

from othink_mr1.modeling.finite import first_not_finite, largest
from othink_mr1.modeling.processes import processes_of
from othink_mr1.training.sharding import shard
from tiny import build_backbone, execution

processes = processes_of(execution(gpus=2))
model, _ = build_backbone()
shard(model, processes)
weights = dict(model.named_parameters())
before = (first_not_finite(weights), 0 < largest(weights.values()) < 100)
if not processes.is_first:
    model.model.language_model.norm.weight.detach().to_local()[0] = float("nan")
print(
    f"process {processes.rank}: {before}, {first_not_finite(weights)}, {largest(weights.values())}",
    flush=True,
)
