"""What captions say of a study's frame: backbone, items, seeds, intervals, cut answers, shared items."""

from __future__ import annotations

import pandas as pd

from othink_mr1.exhibits.frames import ALL_SEEDS, by_setting, final, pooled
from othink_mr1.exhibits.labels import method_label, task_label, task_letters

ITEMS_ALONE = "the items alone, as fewer than three seeds do not tell how seeds spread"
_MOST_CUT = 4  # the most methods whose share of cut answers the caption gives; the csv has all


def labelled(frame: pd.DataFrame, axis: str = "") -> pd.DataFrame:
    """The frame with a column `label`: the method's printed name and the settings that vary.

    If the trained rows are of several pairs of tasks, the label also names the pair, so that a line or colour
    is never of two pairs. axis: path of a setting that is not named, as it is the figure's axis.
    """
    frame = by_setting(frame, axis)
    if "trained_on" in frame:
        pairs = frame.trained_on.map(task_letters) + " → " + frame.tested_on.map(task_letters)
        trained = frame.trained_on != ""
        if pairs[trained].nunique() > 1:
            frame = frame.assign(method=frame.method.where(~trained, frame.method + ", " + pairs))
    return frame.assign(label=[method_label(method) for method in frame.method])


def with_paper(frame: pd.DataFrame, value: str = "paper_accuracy") -> pd.DataFrame:
    """The pooled rows that the paper has a value for."""
    rows = pooled(frame)
    return rows[rows[value].notna()]


def intervals(frame: pd.DataFrame) -> str:
    """What the bars or bands show, for the caption."""
    return f"95 % intervals of {spread_line(frame)}"


def spread_line(frame: pd.DataFrame) -> str:
    """What the intervals cover, in words. Below three seeds the spread between seeds is unknown."""
    trained = pooled(frame)
    trained = trained[trained.seed != ""]
    known = trained.spread == "items and seeds"
    if len(trained) and known.all():
        return "items and seeds"
    return f"items and seeds, or {ITEMS_ALONE}" if known.any() else ITEMS_ALONE


def paper_line(frame: pd.DataFrame, what: str, value: str = "paper_accuracy") -> str:
    """Explains the hollow marks: every figure that has them must say that they are of another backbone."""
    rows = with_paper(frame, value)
    if rows.empty:
        return "the paper prints no values to compare with these"
    names = " and ".join(dict.fromkeys(rows.paper_backbone))
    known = ", with Wilson's intervals" if value == "paper_accuracy" else ""
    return f"open circles: {what}, for its own backbone, {names}{known}"


def caption(frame: pd.DataFrame, *more: str, dots: bool = True) -> list[str]:
    """The subtitle: which backbone, items and seeds; what the figure adds; answers that were cut; what the
    runs were trained on. dots: whether the figure has them for single seeds."""
    backbones = ", ".join(dict.fromkeys(frame.backbone))
    sizes = {str(task): int(rows["items"].min()) for task, rows in frame.groupby("tested_on", sort=False)}
    items = ", ".join(f"{number} test items of {task_label(task)}" for task, number in sizes.items())
    ours = "; ".join(part for part in (f"ours: {backbones}", items, _seeds(frame, dots)) if part)
    return [ours, *more, cut_note(frame), *leaks_note(frame)]


def cut_note(frame: pd.DataFrame) -> str:
    """Which methods' answers were cut at max_new_tokens: a cut answer seldom has an answer tag."""
    rows = labelled(pooled(final(frame)))
    rows = rows[rows.truncated_share > 0].sort_values("truncated_share", ascending=False, kind="stable")
    if rows.empty:
        return "no answer was cut at max_new_tokens"
    shown = [
        f"{label}{'' if '→' in label else f' {task_letters(task)}'} {share:.1%}"
        for label, task, share in zip(rows.label, rows.tested_on, rows.truncated_share, strict=True)
    ]
    more = f", and {len(shown) - _MOST_CUT} more in the csv" if len(shown) > _MOST_CUT else ""
    return f"answers cut at max_new_tokens: {', '.join(shown[:_MOST_CUT])}{more}"


def leaks_note(frame: pd.DataFrame) -> list[str]:
    """A line that says how many test items the runs of a study were trained on; none without such runs."""
    rows = frame[frame.shared_items.notna() & (frame.seed != ALL_SEEDS)]
    counts = []
    for (trained_on, tested_on), found in rows.groupby(["trained_on", "tested_on"], sort=False):
        pair = f"{task_letters(str(trained_on))} → {task_letters(str(tested_on))}"
        row = found.iloc[0]
        counts.append(
            f"{task_label(str(tested_on)) if trained_on == tested_on else pair} "
            f"{row.shared_items:.0f} of {row['items']:.0f} ({row.near_shared_items:.0f} near)"
        )
    return [f"test items that also stand in the training set: {', '.join(counts)}"] if counts else []


def _seeds(frame: pd.DataFrame, dots: bool) -> str:
    of_points = frame[~frame.seed.isin(["", ALL_SEEDS])].groupby("point", sort=False).seed
    # A study with candidate settings has other seeds on validation items than on test items.
    sets = dict.fromkeys(", ".join(sorted(set(seeds), key=int)) for _, seeds in of_points)
    if any(", " in seeds for seeds in sets):
        return f"means over seeds {' or '.join(sets)}" + (", small dots: single seeds" if dots else "")
    return f"seed {' or '.join(sets)}" if sets else ""
