"""A tiny backbone, made by the same code as the miniature's: seconds to build, a few milliseconds to run.

And a hub to download from.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tiny import QUESTIONS, TEMPLATE, Tiny, build_backbone, picture


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    from othink_mr1.modeling.backbone import save_checkpoint

    model, processor = build_backbone()
    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    save_checkpoint(model, processor, folder)
    return Tiny(folder, model, processor)


@pytest.fixture
def tiny(_built: Tiny) -> Tiny:
    """The tiny backbone; each test has a model of its own to change."""
    return Tiny(_built.folder, copy.deepcopy(_built.model), _built.processor)


@pytest.fixture
def prompts(tiny: Tiny) -> list[Any]:
    """Two prompts of different lengths, with images of different sizes."""
    from othink_mr1.modeling.prompts import PromptMaker, fill_template

    return PromptMaker(tiny.model, tiny.processor).make(
        [picture(2), picture(3, width=112, height=84)],
        [fill_template(TEMPLATE, question) for question in QUESTIONS],
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder to download into (tests/unit/data/download)."""
    # Imported here: the hub's client takes a second, which only the tests of downloads need.
    from download_runs import Place

    monkeypatch.delenv("HF_TOKEN", raising=False)
    return Place(tmp_path, monkeypatch)


@pytest.fixture
def hub(place: Any) -> Iterator[Any]:
    """A fake hub with one small data set, which `place` downloads from."""
    from download_runs import FILES, SET

    from fake_hub import FakeHub

    with FakeHub({SET: FILES}).start() as hub:
        place.use(hub)
        yield hub
