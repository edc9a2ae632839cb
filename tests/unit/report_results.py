"""Made-up results with everything that report.html shows; a hostile variant has texts that mean harm."""

from __future__ import annotations

import json
from pathlib import Path

from synthetic_results import BACKBONE, SyntheticResults

from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.artefacts.atomic_files import sha256_of
from othink_mr1.artefacts.made_of import ANSWERS_DIGEST
from othink_mr1.artefacts.manifests import seal
from othink_mr1.data.examples import Example, read_examples, write_examples
from othink_mr1.exhibits.claims import check_claims, claim_points
from othink_mr1.exhibits.collect import collect_study
from othink_mr1.exhibits.collected_tables import collect_reward_curves
from othink_mr1.exhibits.frames import write_frame
from othink_mr1.exhibits.plans import ReportPlan, RunsPlan, StudiesPlan, StudyPlan, read_plan
from othink_mr1.exhibits.scorer_audit import audit_scores

STUDIES = ("same_task", "cross_task", "format_weight_sweep", "kl_weight_sweep", "learning_curves")
HOSTILE = (
    "<img src=x onerror=\"document.title='gone'\"> </script><script>document.title='gone'</script> <!-- "
    "<script> {{7*7}} {% raw %} ${7*7} '\"` &lt; \u2028 \u202e =1+1"
)


def make_results(root: Path, items: int = 12, hostile: bool = False, **settings: object) -> ReportPlan:
    """Results with all csv files that the page shows. Returns the page's plan."""
    made = SyntheticResults(root, items=items, **settings)
    made.write_all()
    if hostile:
        _poison(root)
    for study in STUDIES:
        plan = read_plan(root / f"plans/{study}.json", StudyPlan)
        write_frame(root / f"{study}.csv", collect_study(plan, root))
    runs = read_plan(root / "plans/reward_curves.json", RunsPlan)
    write_frame(root / "reward_curves.csv", collect_reward_curves(runs, root))
    claims = read_plan(root / "plans/claims.json", StudiesPlan)
    write_frame(root / "claims.csv", check_claims(claim_points(claims, root), "made up"))
    audited = read_plan(root / "plans/same_task.json", StudyPlan)
    write_frame(root / "scorer_audit.csv", audit_scores(audited, root))
    return report_plan(root)


def report_plan(root: Path) -> ReportPlan:
    """The plan of a root whose studies may have no results yet."""
    studies = [json.loads((root / f"plans/{name}.json").read_text()) for name in STUDIES]
    runs = json.loads((root / "plans/runs.json").read_text())["runs"]
    plan = {"backbone": BACKBONE, "note": "made up", "studies": studies, "runs": runs}
    plan |= {"proposed": "grpo-d", "baselines": ["base", "sft", "grpo"], "against": "sft"}
    return ReportPlan.model_validate(plan)


def _poison(root: Path) -> None:
    """Let questions, golds and completions mean harm, consistently with all manifests."""
    for file in root.glob("data/*/examples.parquet"):
        examples = [Example(e.id, e.image, HOSTILE, e.gold, e.reasoning) for e in read_examples(file)]
        file.unlink()
        write_examples(examples, file)
        write_manifest(file.parent)
    for file in root.glob("answers/*/*/answers.jsonl"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for line in lines:
            line["question"] = HOSTILE
            line["completion"] += HOSTILE
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        write_manifest(file.parent)
        for scores in (root / "scores" / file.parent.relative_to(root / "answers")).glob("*.csv"):
            seal(scores, {ANSWERS_DIGEST: sha256_of(file)})
