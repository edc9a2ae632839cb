"""What the rules promise by their form: nothing half-written passes for a result, nothing old retrains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "rules"
TEXTS = {path.name: path.read_text() for path in RULES.glob("*.smk")}
BLOCKS = {
    name: text
    for content in TEXTS.values()
    for name, text in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", content, re.DOTALL | re.MULTILINE)
}


def shell(rule: str) -> str:
    """The command of a rule, or nothing."""
    return BLOCKS[rule].partition("    shell:\n")[2]


def test_the_rules_are_found() -> None:
    assert len(BLOCKS) > 15
    assert {"train_grpo", "generate_answers", "draw_figure"} <= BLOCKS.keys()


@pytest.mark.parametrize("rule", BLOCKS)
def test_each_rule_runs_one_program_that_writes_by_itself(rule: str) -> None:
    """A program writes aside and renames. The shell would leave half a file, which counts as made."""
    command = shell(rule)
    if not command:
        assert rule == "download"
        return
    assert re.findall(r"\S*>\s*\S+", command) == [">", "2>&1"] or command.count("> {log} 2>&1") == 1
    assert command.count(">") == 2
    assert not re.search(r"\b(cp|mv|tee|cat|ln)\b|&&|;|\|", command)
    assert re.match(r'\s*"(python|\{params\.launcher\}) workflow_scripts/\w+\.py ', command)
    assert "{input.plan}" not in command  # it may lie in TMPDIR, whose name may have spaces


@pytest.mark.parametrize("rule", BLOCKS)
def test_manifests_outlive_failures_and_times_retrain_nothing(rule: str) -> None:
    block = BLOCKS[rule]
    outputs = block.partition("    output:\n")[2].partition("    log:")[0]
    for line in outputs.splitlines():
        if "manifest.json" in line:
            assert "update(" in line, line
    inputs = block.partition("    input:\n")[2].partition("    output:")[0]
    if "update(" in outputs or rule in ("score_answers", "fingerprint_dataset", "find_leaks"):
        assert inputs.count("<results>/") == inputs.count("ancient("), rule


def test_what_snakemake_put_aside_is_removed_when_work_begins() -> None:
    """It would bring an old manifest back beside new files when a job fails."""
    text = (RULES.parent / "Snakefile").read_text().partition("onstart:")[2]
    begin, _, after = text.partition('shutil.rmtree(".snakemake/backups", ignore_errors=True)')
    assert "hold_results(" in begin
    assert "check_cluster()" in after
