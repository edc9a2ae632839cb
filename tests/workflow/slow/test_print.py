"""Figures and tables for print: LaTeX compiles them, and no font of the machine gets into a picture."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from entry_points import run
from report_results import HOSTILE, STUDIES, make_results

from othink_mr1.exhibits.figure_files import Figure, caption_latex
from othink_mr1.exhibits.frames import read_study
from othink_mr1.exhibits.plans import TablePlan
from othink_mr1.exhibits.table1 import latex, table1

FIGURES = [*(f"figure{number}" for number in range(1, 9)), "training", "counts"]
DOCUMENT = r"""
\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,graphicx}
\begin{document}
\begin{table}\input{table1.tex}\end{table}
%s
\begin{figure}\input{hostile.tex}\end{figure}
\end{document}
"""
# Runs a command that does not see the machine's fonts.
HIDDEN = """
for folder in /usr/share/fonts /usr/local/share/fonts /root/.fonts /root/.local/share/fonts; do
  if [ -d $folder ]; then mount -t tmpfs none $folder; fi
done
test -z "$(ls /usr/share/fonts)" || exit 3
exec "$@"
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    make_results(root, items=24, hostile=True, seeds=(42, 43, 44))
    return root


def draw(results: Path, folder: Path, *figures: str) -> None:
    """Draw figures of a results root into a folder, as the rule does."""
    data = [f"{name}={results / name}.csv" for name in (*STUDIES, "reward_curves")]
    for figure in figures:
        plan = {"training": "reward_curves", "counts": "figures.counts"}.get(figure, figure)
        file = results / "plans" / f"{plan}.json"
        arguments = ["--plan", file] if file.exists() else []
        arguments += ["--data", *data, "--results", results, "--output-stem", folder / figure]
        assert run("draw_figure", "--figure", figure, *arguments) is None


@pytest.fixture(scope="module")
def drawn(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all figures, drawn where the machine's fonts are seen."""
    folder = tmp_path_factory.mktemp("drawn")
    draw(results, folder, *FIGURES)
    return folder


@pytest.mark.skipif(
    shutil.which("pdflatex") is None and "CI" not in os.environ,
    reason="needs pdflatex (Debian: texlive-latex-base, texlive-latex-recommended)",
)
def test_latex_compiles_the_table_and_the_captions(results: Path, drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    plan = TablePlan(note=HOSTILE, proposed="grpo-d", baselines=["base", "sft", "grpo"])
    frame = read_study(results / "same_task.csv").assign(backbone="a_b & {c} 面 50 %")
    (tmp_path / "table1.tex").write_text(latex(table1(frame, plan)))
    some = Figure("", HOSTILE.replace("\u2028", " "), None, frame, [HOSTILE, "α → β"])  # type: ignore[arg-type]
    (tmp_path / "hostile.tex").write_text(caption_latex(some))
    pages = [
        rf"\begin{{figure}}\includegraphics[width=\linewidth]{{{name}.pdf}}\input{{{name}.tex}}\end{{figure}}"
        for name in FIGURES
    ]
    (tmp_path / "all.tex").write_text(DOCUMENT % "\\clearpage\n".join(pages))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="latin-1", check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Missing character" not in done.stdout
    assert (tmp_path / "all.pdf").stat().st_size > 100_000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may hide the font folders")
def test_pictures_do_not_depend_on_the_machines_fonts(results: Path, drawn: Path, tmp_path: Path) -> None:
    figures = ("figure3", "figure7", "training")
    code = "from test_print import *; draw(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])"
    hidden = ["unshare", "--mount", "sh", "-c", HIDDEN, "sh"]
    command = [*hidden, sys.executable, "-c", code, results, tmp_path, *figures]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=True)
    for name in figures:
        for kind in ("svg", "png", "pdf"):
            assert (drawn / f"{name}.{kind}").read_bytes() == (tmp_path / f"{name}.{kind}").read_bytes(), name
