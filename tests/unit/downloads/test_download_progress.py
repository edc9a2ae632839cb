"""The log says which file, how much, how fast and how long still, without a terminal."""

from download_runs import FILES, FIRST, SECOND

from othink_mr1.data import progress
from othink_mr1.data.progress import ByteProgress


def test_lines_of_two_files(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = ByteProgress(total=400_000_000)
    lines.start("1 of 2, a.zip", 300_000_000, have=0)
    now[0] = 4.0
    lines.reached(50_000_000)  # too soon for a line
    now[0] = 10.0
    lines.reached(100_000_000)
    lines.reached(0)  # begun anew
    now[0] = 40.0
    lines.reached(300_000_000)
    lines.end()
    lines.start("2 of 2, b.zip", None, have=50_000_000)
    assert capsys.readouterr().err.splitlines() == [
        "download 1 of 2, a.zip: 0.0 of 300.0 MB",
        "download 1 of 2, a.zip: 100.0 of 300.0 MB, 10.0 MB/s, 30 s left for all files",
        "download 1 of 2, a.zip: 300.0 of 300.0 MB, 10.0 MB/s, 10 s left for all files",
        "download 1 of 2, a.zip: 300.0 of 300.0 MB, 10.0 MB/s, 10 s left for all files",
        "download 2 of 2, b.zip: 50.0 MB, 10.0 MB/s, 10 s left for all files",
    ]


def test_a_download_says_what_it_fetches(place, hub, capfd):
    place.download()
    lines = capfd.readouterr().err.splitlines()
    commit = hub.commit("datasets/owner/set")
    assert lines[0] == f"download owner/set at main: commit {commit}, 3 of 3 files to fetch, 0.0 MB"
    assert lines[1] == f"download 1 of 3, {FIRST}: 0.0 of 0.0 MB"
    assert lines[3].startswith(f"download 2 of 3, {SECOND}: 0.0 of 0.0 MB, ")
    assert len(FILES[FIRST]) < 50_000, "the sizes above are rounded"
