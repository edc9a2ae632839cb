"""Options of Snakemake's command line that silently drop a profile's overlays, or end in a traceback."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


def refuse_dropped_overlays(
    parser_of: Callable[[list[str] | None], ArgumentParser],
    arguments: Sequence[str],
    overlays: Iterable[str | Path],
) -> None:
    """End the process with a one-line error if a profile's configfile is not among the overlays in use.

    parser_of: Snakemake's get_argument_parser, which reads profiles as Snakemake does. arguments: of the
    command line. A --configfile on the command line, or in a later profile, replaces a profile's own: without
    this check `--profile mini --configfile mine.yaml` would plan the paper's study.
    """
    in_force = {Path(overlay).resolve() for overlay in overlays}
    given, _ = parser_of(None).parse_known_args(list(arguments))
    workflow_profile = given.workflow_profile or "default"
    places = (Path(workflow_profile), Path("profiles") / workflow_profile)
    profiles = [*(given.profile or []), *[str(place) for place in places if place.exists()][:1]]
    for profile in profiles:
        if profile == "none":
            continue
        own = parser_of([profile]).parse_known_args([])[0].configfile or []
        dropped = [str(overlay) for overlay in own if Path(overlay).resolve() not in in_force]
        if dropped:
            others = [str(overlay) for overlay in given.configfile or []]
            sys.exit(
                f"error: --configfile takes the place of profile {profile}'s own; name both: "
                f"--configfile {' '.join([*dropped, *others])}"
            )


def refuse_dotted_keys(
    parser_of: Callable[[list[str] | None], ArgumentParser], arguments: Sequence[str]
) -> None:
    """End the process with a one-line error for `--config a.b=c`: Snakemake only takes keys of the top level.

    Called from profiles/default, as Snakemake reads --config before the Snakefile.
    """
    given, _ = parser_of(None).parse_known_args(list(arguments))
    dotted = [entry for entry in given.config or [] if "." in entry.partition("=")[0]]
    if dotted:
        changes = " ".join(dotted)
        sys.exit(
            f"error: --config {changes}: write --config set='{changes}', or make run SET=\"{changes}\", or "
            "put it into an overlay for --configfile"
        )


def refuse_missing_overlays(
    parser_of: Callable[[list[str] | None], ArgumentParser], arguments: Sequence[str]
) -> None:
    """End the process with a one-line error for a --configfile that is no file, such as a target behind it.

    Called from profiles/default, as Snakemake reads the files before the Snakefile.
    """
    given, _ = parser_of(None).parse_known_args(list(arguments))
    overlays = [str(overlay) for overlay in given.configfile or []]
    missing = [overlay for overlay in overlays if not Path(overlay).is_file()]
    targets = [overlay for overlay in missing if Path(overlay).suffix not in (".yaml", ".yml", ".json")]
    if targets:
        files = [overlay for overlay in overlays if overlay not in targets]
        command = " ".join(["snakemake", *targets, *(["--configfile", *files] if files else [])])
        sys.exit(
            f"error: --configfile takes all words behind it for files, also {targets[0]}; write the target "
            f"first: {command}"
        )
    if missing:
        sys.exit(f"error: --configfile {missing[0]}: there is no such file")


def refuse_unknown_names(
    parser_of: Callable[[list[str] | None], ArgumentParser], arguments: Sequence[str], known: Iterable[str]
) -> None:
    """End the process with a one-line error for a target that is neither a known name nor a path."""
    given, _ = parser_of(None).parse_known_args(list(arguments))
    names = sorted(known)
    for target in given.targets or []:
        if target not in names and not {"/", "."} & set(target):
            near = get_close_matches(target, names, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            sys.exit(
                f"error: no target {target}; {hint}there are: {', '.join(names)}, and each file by its path"
            )
