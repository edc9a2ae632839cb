"""The page of launches and bytes: it is what its program prints, and few launches are outside the graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.launches import main, outside_the_graph

import plain_flash
from othink_mr1.modeling import varlen_attention
from tiny import Tiny

PAGE = Path(__file__).parents[3] / "docs" / "launches.md"


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """If not: write it anew with the command in it."""
    main()
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8")


def test_few_kernels_are_launched_outside_the_graph(tiny: Tiny, prompts, monkeypatch) -> None:
    """Of 1,069 per token."""
    plain_flash.use(monkeypatch, varlen_attention)
    assert 5 < outside_the_graph(tiny.model, prompts, 17) < 40
