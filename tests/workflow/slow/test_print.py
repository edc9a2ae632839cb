"""Figures and tables for print: LaTeX compiles them, and no font of the machine gets into a picture."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from report_results import HOSTILE, STUDIES, make_results

import warm_python
from othink_mr1.exhibits.figure_files import Figure, caption_latex
from othink_mr1.exhibits.frames import read_study
from othink_mr1.exhibits.plans import TablePlan
from othink_mr1.exhibits.table1 import latex, table1
from repository import REPOSITORY

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
# Draws the figures of a results root into a folder, with or without the machine's fonts.
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


def draw(results: Path, figure: str, folder: Path, *before: str) -> None:
    plan = {"training": "reward_curves", "counts": "figures.counts"}.get(figure, figure)
    data = [f"{name}={results / name}.csv" for name in (*STUDIES, "reward_curves")]
    # Processes that see other folders than ours cannot be our forks.
    python = ["bash", "-c", 'python "$@"', "python"] if not before else [*before, sys.executable]
    command = [
        *python,
        "workflow_scripts/draw_figure.py",
        "--figure",
        figure,
        "--data",
        *data,
    ]
    if (file := results / "plans" / f"{plan}.json").exists():
        command += ["--plan", str(file)]
    command += ["--results", str(results), "--output-stem", str(folder / figure)]
    environment = os.environ | ({} if before else warm_python.variables())
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(
    shutil.which("pdflatex") is None and "CI" not in os.environ,
    reason="needs pdflatex (Debian: texlive-latex-base, texlive-latex-recommended)",
)
def test_latex_compiles_the_table_and_the_captions(results: Path, tmp_path: Path) -> None:
    plan = TablePlan(note=HOSTILE, proposed="grpo-d", baselines=["base", "sft", "grpo"])
    frame = read_study(results / "same_task.csv").assign(backbone="a_b & {c} 面 50 %")
    (tmp_path / "table1.tex").write_text(latex(table1(frame, plan)))
    for name in FIGURES:
        draw(results, name, tmp_path)
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
def test_pictures_do_not_depend_on_the_machines_fonts(results: Path, tmp_path: Path) -> None:
    shown, hidden = tmp_path / "shown", tmp_path / "hidden"
    for name in ("figure3", "figure7", "training"):
        draw(results, name, shown)
        draw(results, name, hidden, "unshare", "--mount", "sh", "-c", HIDDEN, "sh")
        for kind in ("svg", "png", "pdf"):
            assert (shown / f"{name}.{kind}").read_bytes() == (hidden / f"{name}.{kind}").read_bytes(), name
