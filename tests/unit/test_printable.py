"""Control characters of untrusted files do not reach the terminal."""

from __future__ import annotations

import sys

import pytest

from othink_mr1.errors import UserError, printable, run_entry_point, run_tool

HOSTILE = "a\x1b]0;title\x07\x1b[2Jb\x9b1mc\x00d\ud800e"
SHOWN = r"a\x1b]0;title\x07\x1b[2Jb\x9b1mc\x00d\ud800e"


def test_printable() -> None:
    assert printable(HOSTILE) == SHOWN
    assert printable("180° − ∠ABC = π\tx\n文字\n") == "180° − ∠ABC = π\tx\n文字\n"


@pytest.mark.parametrize("run", [run_entry_point, run_tool])
def test_what_programs_print(run, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        print(HOSTILE)
        print(HOSTILE, file=sys.stderr)
        raise UserError(HOSTILE)

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == f"error: {SHOWN}"
    assert capsys.readouterr() == (f"{SHOWN}\n", f"{SHOWN}\n")
