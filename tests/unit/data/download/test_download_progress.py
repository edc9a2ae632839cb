"""The log says how much came, how fast and how long still, without a terminal."""

from types import SimpleNamespace

from download_runs import FILES, SECOND, WANTED, hub_source

from othink_mr1.data.download import progress
from othink_mr1.data.download.progress import ByteProgress


def test_lines(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    lines = ByteProgress("a set", total=400_000_000)
    now[0] = 4.0
    lines.add(50_000_000)  # too soon for a line
    now[0] = 10.0
    lines.add(50_000_000)
    lines.add(-100_000_000)  # begun anew
    now[0] = 40.0
    lines.add(400_000_000)
    assert capsys.readouterr().err.splitlines() == [
        "download a set: 100.0 of 400.0 MB, 10.0 MB/s, 30 s left",
        "download a set: 400.0 of 400.0 MB, 10.0 MB/s, 0 s left",
    ]


def test_a_download_says_what_comes(place, hub, capfd, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    place.download()
    lines = capfd.readouterr().err.splitlines()
    commit, whole = hub.commit("datasets/owner/set"), sum(len(FILES[name]) for name in WANTED)
    assert lines[0] == f"download owner/set at main: commit {commit}, 3 files, 0.0 MB are not there yet"
    assert len(lines) == 2 + len(WANTED), "one for each piece, as the time between is none"
    assert all(f"of {whole / 1e6:.1f} MB, " in line for line in lines[1:-1])
    assert lines[-1].startswith("download owner/set at main: complete and verified after ")


def test_every_byte_is_counted(place, hub, monkeypatch):
    counted = []
    monkeypatch.setattr(ByteProgress, "add", lambda self, size: counted.append(size))
    place.download(hub_source(files=["*.parquet", "notes.json"]))
    assert sum(counted) == sum(len(FILES[name]) for name in WANTED)
    assert len(FILES[SECOND]) in counted
