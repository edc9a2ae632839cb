"""Digests of modules: what changes them, what does not, and which modules use which."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from othink_mr1.errors import UserError
from othink_mr1.study import module_digests
from othink_mr1.study.module_digests import SCRIPTS, Modules, tree_digest

LOSS = '''"""The loss."""

from othink_mr1.training import rates


def loss(ratio, clip=0.2):
    """Clipped, eq. 4."""
    # Below.
    low = max(ratio, 1 - clip)
    return f"{min(low, 1 + clip):.3f}" if rates.ON else None
'''


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Entry points and a package, in which `train` uses all but `other`."""
    files = {
        "train.py": "def main():\n    from othink_mr1.training.loss import loss\n\n    loss(1)\n",
        "othink_mr1/__init__.py": "",
        "othink_mr1/training/__init__.py": '"""Training."""\n',
        "othink_mr1/training/loss.py": LOSS,
        "othink_mr1/training/rates.py": 'COMMAND = ["-m", "othink_mr1.worker"]\nON = True\n',
        "othink_mr1/training/rates.csv": "step,rate\n",
        "othink_mr1/worker.py": "import othink_mr1.loop\n",
        "othink_mr1/loop.py": "import othink_mr1.worker\n",
        "othink_mr1/other.py": "import torch\n",
    }
    for name, text in files.items():
        path = tmp_path / "scripts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "scripts"


def digest_of(source: str) -> str:
    return tree_digest(ast.parse(source))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Below.", "# Not above, as R1-V has it."),
        ('"""The loss."""', '"""The loss of GRPO.\n\nBy the paper.\n"""'),
        ('    """Clipped, eq. 4."""\n', ""),
        (
            "    low = max(ratio, 1 - clip)\n",
            "\n    low = max(\n        ratio,\n        1 - clip,\n    )\n\n",
        ),
        ("clip=0.2", "clip=.20"),
        ('"""The loss."""', "'''The loss.'''"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(old: str, new: str) -> None:
    changed = LOSS.replace(old, new)
    assert changed != LOSS
    assert digest_of(changed) == digest_of(LOSS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max(ratio", "min(ratio"),
        ("clip=0.2", "clip=0.3"),
        ("1 - clip", "1 + clip"),
        (".3f", ".4f"),
        ("import rates", "import other as rates"),
        ("None", "0"),
        ("else None", "else 'None'"),
    ],
)
def test_everything_else_does(old: str, new: str) -> None:
    assert old in LOSS
    assert digest_of(LOSS.replace(old, new, 1)) != digest_of(LOSS)


def test_what_an_entry_point_uses(scripts: Path) -> None:
    """Imports in functions, of modules through their package, in circles; what is started by its name."""
    used = Modules(scripts).used_by(("train",))
    assert list(used) == [
        "loop",
        "othink_mr1",
        "train",
        "training",
        "training.loss",
        "training.rates",
        "worker",
    ]
    assert all(len(digest) == 64 for digest in used.values())


@pytest.mark.parametrize(
    "name", ["training/rates.py", "training/rates.csv", "loop.py", "training/__init__.py"]
)
def test_a_change_is_that_modules_alone(scripts: Path, name: str) -> None:
    before = Modules(scripts).used_by(("train",))
    path = scripts / "othink_mr1" / name
    path.write_text(path.read_text() + "x = 1\n")
    after = Modules(scripts).used_by(("train",))
    changed = {module for module in before if before[module] != after[module]}
    assert changed == {name.partition(".")[0].replace("/", ".").removesuffix(".__init__")}


def test_what_is_no_module_or_no_python_is_one_line(scripts: Path) -> None:
    with pytest.raises(UserError, match="has no module generate"):
        Modules(scripts).used_by(("generate",))
    (scripts / "othink_mr1" / "loop.py").write_text("def (:\n")
    with pytest.raises(UserError, match=r"loop\.py: is no Python \(invalid syntax"):
        Modules(scripts).used_by(("train",))


class TestKept:
    """What was parsed once is kept in the results root."""

    @pytest.fixture
    def kept(self, scripts: Path, tmp_path: Path) -> Path:
        modules = Modules(scripts, tmp_path)
        modules.used_by(("train",))
        modules.keep()
        return tmp_path / "plans" / ".modules.json"

    def test_nothing_is_parsed_twice(
        self, scripts: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parsed: list[Path] = []
        original = module_digests._parsed
        monkeypatch.setattr(
            module_digests, "_parsed", lambda file, source: parsed.append(file) or original(file, source)
        )
        written = kept.stat().st_mtime_ns
        again = Modules(scripts, tmp_path)
        used = again.used_by(("train",))
        again.keep()
        assert parsed == []
        assert used == Modules(scripts).used_by(("train",))
        assert kept.stat().st_mtime_ns == written
        (scripts / "othink_mr1" / "loop.py").write_text("x = 1\n")
        parsed.clear()
        changed = Modules(scripts, tmp_path)
        changed.used_by(("train",))
        changed.keep()
        assert [file.name for file in parsed] == ["loop.py"]
        assert len(json.loads(kept.read_text())["modules"]) == 7  # nothing old is left

    @pytest.mark.parametrize("damage", ["torn", "of another version"])
    def test_what_is_damaged_counts_for_nothing(
        self, scripts: Path, kept: Path, tmp_path: Path, damage: str
    ) -> None:
        expected = Modules(scripts).used_by(("train",))
        text = kept.read_text()
        content = json.loads(text)
        of_another = json.dumps({"by": "0", "modules": {key: ["wrong"] for key in content["modules"]}})
        kept.write_text(text[:-20] if damage == "torn" else of_another)
        assert Modules(scripts, tmp_path).used_by(("train",)) == expected


@pytest.mark.parametrize(
    ("roots", "imports"),
    [
        (("train_grpo", "scoring.geometry"), "othink_mr1.training.grpo_runs, othink_mr1.scoring.geometry"),
        (("score_answers", "scoring.counting"), "othink_mr1.scoring.counting, othink_mr1.scoring.worker"),
    ],
)
def test_all_that_is_imported_is_among_what_is_used(roots: tuple[str, ...], imports: str) -> None:
    """What Python imports, and what is found without importing it, in the real package."""
    code = f"import sys; import {roots[0]}, {imports}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    package = f"{module_digests.PACKAGE}."
    imported = {name.removeprefix(package) for name in done.stdout.split() if name.startswith(package)}
    assert len(imported) > 20
    assert imported <= set(Modules().used_by(roots))
