"""What each of two processes finds in a sharded model when a weight is nan in the second one's part.

nan_in_a_part.py FOLDER: a file of each process there. Lines of both in one stream can end up as one line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

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
found = [*before, first_not_finite(weights), str(largest(weights.values()))]
Path(sys.argv[1], str(processes.rank)).write_text(json.dumps(found))
