"""The page itself: the template filled in, with a policy that lets nothing run or load but what is in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.exhibits.comparison_table import HEADS
from othink_mr1.exhibits.labels import METHODS, method_label, method_styles, task_label
from othink_mr1.exhibits.plans import ReportPlan
from othink_mr1.exhibits.text import one_line, visible
from othink_mr1.report import claims, tables
from othink_mr1.report.charts import chart_groups, colour_variable, training_panels
from othink_mr1.report.comparisons import comparisons
from othink_mr1.report.curves import PANELS, curves
from othink_mr1.report.inputs import Inputs
from othink_mr1.report.items import LONGEST, packed_items, pictures, task_items

HERE = Path(__file__).parent / "page"
DEVIATIONS = Path(__file__).parents[3] / "docs" / "deviations.md"
MOST_DISAGREEMENTS = 200  # rows of the scorer audit that the page lists; the csv has all
LEAKS_SHOWN = 50
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def write_report(plan: ReportPlan, results: Path, file: Path) -> None:
    """Make the page of what is there. UserError if a file that it needs is damaged."""
    write_sealed_text(file, report_page(Inputs(plan, results)))


def report_page(inputs: Inputs) -> str:
    """The page; the same results give the same text."""
    tasks = task_items(inputs)
    specs: dict[str, Any] = {}
    groups = chart_groups(inputs, tasks)
    for group in groups:
        for number, panel in enumerate(group.panels):
            specs[f"{group.name}-{number}"] = panel.spec
    training = curves(inputs)
    blocks = pictures(tasks)
    training_specs = dict(zip(PANELS, training_panels(), strict=True)) if training else {}
    entries = [entry for study in inputs.plan.studies for entry in study.evaluations]
    methods = method_styles({entry.method for entry in entries} | {"base"})
    content = {
        "backbone": inputs.plan.backbone,
        "note": inputs.plan.note,
        "claims": claims.claims(inputs),
        "verdicts": claims.VERDICTS,
        "axis": claims,
        "table": tables.main_table(inputs),
        "matrices": tables.matrices(inputs),
        "outcomes": tables.outcomes(tasks, inputs.plan),
        "groups": groups,
        "comparisons": comparisons(inputs),
        "training": training,
        "training_specs": training_specs,
        "tasks": tasks,
        "runs": tables.runs_table(inputs),
        "runs_planned": len(inputs.plan.runs),
        "audit": _audit(inputs),
        "leaks": _leaks(inputs),
        "deviations": _deviations(),
        "missing": inputs.missing,
        "comparison_heads": HEADS,
        "longest": LONGEST,
        "methods": methods,
        "proposed": inputs.plan.proposed,
        "against": inputs.plan.against,
    }
    data = {
        "specs": specs,
        "training": {
            "runs": training,
            "panels": {column: panel.spec for column, panel in training_specs.items()},
        },
        "labels": {
            "methods": {name: style.label for name, style in methods.items()},
            "tasks": {task.task: task_label(task.task) for task in tasks}
            | {entry.task: task_label(entry.task) for entry in inputs.plan.runs},
            "colours": {name: colour_variable(name) for name in methods},
        },
        "pictures": [{"ends": block.ends, "side": block.side} for block in blocks],
        "longest": LONGEST,
        "proposed": inputs.plan.proposed,
        "against": inputs.plan.against,
    }
    style = _read("style.css") + _method_colours(methods)
    scripts = [_read("early.js"), _read("vendor/vega.min.js"), _interpreter(), _read("app.js")]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            **content,
            style=Markup(style),
            early=Markup(scripts[0]),
            scripts=[Markup(script) for script in scripts[1:]],
            policy=_policy(scripts, style),
            data=Markup(_script_safe(data)),
            items=[packed_items(task) for task in tasks],
            blocks=[block.data for block in blocks],
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "method": method_label,
        "task": task_label,
        "visible": visible,
        "points": lambda value: f"{value:+.1f}".replace("-", "−"),
        "short": lambda text: one_line(str(text), 160),
        "colour": colour_variable,
    }
    return environment


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _interpreter() -> str:
    """vega-interpreter as a plain script: its package has only a module, with one import and one export."""
    text = _read("vendor/vega-interpreter.js")
    imported = re.compile(r"^import \{ ([^}]+) \} from 'vega-util';$", re.MULTILINE)
    exported = "export { expression as expressionInterpreter };"
    assert len(imported.findall(text)) == 1
    assert text.count(exported) == 1
    text = imported.sub(r"const { \1 } = vega;", text)
    return f"(() => {{ {text.replace(exported, 'window.vegaInterpreter = expression;')} }})();"


def _policy(scripts: list[str], style: str) -> str:
    """Content-Security-Policy: these scripts and this style, pictures and a font from the page itself."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'sha256-{_sha256(style)}'; img-src blob: data:; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script_safe(data: Any) -> str:
    """JSON for a <script>: a text may have `</script>` or `<!--` in it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _method_colours(methods: dict[str, Any]) -> str:
    """Variables for methods that the stylesheet does not know."""
    others = [name for name in methods if name not in METHODS]
    return "".join(f":root{{{colour_variable(name)}:{methods[name].colour}}}" for name in others)


def _audit(inputs: Inputs) -> dict[str, Any] | None:
    """The 2 x 2 table over all evaluations, and the first items that the scorers judge differently."""
    frame = inputs.table("scorer_audit.csv")
    if frame is None:
        return None
    counted = frame[frame.kind == "table"]
    totals = {
        (r1v, exact): sum(
            int(count)
            for count in counted["items"][(counted.r1v_correct == r1v) & (counted.exact_correct == exact)]
        )
        for r1v in "10"
        for exact in "10"
    }
    rows = frame[frame.kind == "item"]
    return {"totals": totals, "rows": rows.head(MOST_DISAGREEMENTS).to_dict("records"), "all": len(rows)}


def _leaks(inputs: Inputs) -> dict[str, Any] | None:
    frame = inputs.table("data/leaks.csv")
    if frame is None:
        return None
    return {"rows": frame.head(LEAKS_SHOWN).to_dict("records"), "all": len(frame)}


def _deviations() -> Markup:
    """docs/deviations.md. HTML in it stays text; its links lead nowhere from here, so only their text is
    left.
    """
    markdown = (
        MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    )
    text = DEVIATIONS.read_text(encoding="utf-8").partition("\n")[2]
    return Markup(markdown.render(_LINK.sub(r"\1", text)))
