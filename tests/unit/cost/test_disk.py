"""Checkpoints and states, against the files of a real run."""

from __future__ import annotations

from pathlib import Path

import pytest
from counting import shape_of, train

from othink_mr1.cost.disk import STATES_AT_A_TIME, checkpoint_bytes, states_bytes
from othink_mr1.training import session
from othink_mr1.training.saved_states import MOST_AT_A_TIME
from tiny import Tiny, sft_settings


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("tower", [True, False], ids=["tower trained", "tower frozen"])
def test_files_of_a_run(
    tiny: Tiny, tower: bool, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[int] = []
    write = session.write_state

    def written(folder: Path, *arguments: object) -> None:
        write(folder, *arguments)
        states.append(sum(file.stat().st_size for file in folder.glob("*.safetensors")))

    monkeypatch.setattr(session, "write_state", written)
    settings = sft_settings(
        steps=3,
        checkpoint_steps=[1],
        batch_size=2,
        train_vision_tower=tower,
        checkpoint_precision=precision,
    )
    run = train(tiny, settings, tmp_path)
    sizes = [file.stat().st_size for file in sorted(run.glob("checkpoint*/*.safetensors"))]
    assert len(sizes) == 2
    print(f"checkpoint: formula / counted = {checkpoint_bytes(shape_of(tiny), settings) / sizes[0]:.4f}")
    state = states_bytes(shape_of(tiny), tower) / STATES_AT_A_TIME
    print(f"state: formula / counted = {state / max(states):.4f}")
    assert sizes == pytest.approx([checkpoint_bytes(shape_of(tiny), settings)] * 2, rel=0.05)
    assert STATES_AT_A_TIME == MOST_AT_A_TIME
    assert state == pytest.approx(max(states), rel=0.05)
