"""Rule write_data_card: a task's data card in Markdown, and the chart of its answers."""

from __future__ import annotations

from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.exhibits.plans import DataCardPlan, read_plan
from othink_mr1.imports import quick_imports
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.plan_files import made_of

with quick_imports():
    from othink_mr1.exhibits.answer_forms import answer_chart, answer_distribution
    from othink_mr1.exhibits.collect_command import plan_parser
    from othink_mr1.exhibits.data_card import TEST, TRAIN, data_card, set_facts
    from othink_mr1.exhibits.figure_files import as_svg


def main() -> None:
    parser = plan_parser(__doc__)
    parser.add_argument("--task", required=True, help="the plan's task")
    parser.add_argument("--output", type=path_argument, required=True, help="Markdown to write")
    parser.add_argument(
        "--chart", type=path_argument, required=True, help="svg to write, beside the Markdown"
    )
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan, DataCardPlan)
    if plan.task != arguments.task:
        raise UserError(f"{arguments.plan}: is the plan of {plan.task!r}, not of {arguments.task!r}")
    if arguments.chart.resolve().parent != arguments.output.resolve().parent:
        raise UserError(f"--chart {arguments.chart}: must be in the folder of --output, which shows it")
    facts = {
        TRAIN: set_facts(arguments.results / plan.train.folder),
        TEST: set_facts(arguments.results / plan.test.folder),
    }
    distribution = answer_distribution({name: found.golds for name, found in facts.items()})
    chart = as_svg(answer_chart(distribution, plan.task))
    card = data_card(plan, arguments.results, facts, arguments.chart.name)
    with made_of(arguments.plan, arguments.results):
        write_sealed_text(arguments.chart, chart)
        write_sealed_text(arguments.output, card)


if __name__ == "__main__":
    run_entry_point(main)
