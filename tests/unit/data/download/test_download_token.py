"""The token goes to the hub and nowhere else, and is never repeated."""

from download_runs import FILES, SET, dataset_program, hub_source

from fake_hub import FakeHub
from othink_mr1.data.download.secrets import one_line

TOKEN = "hf_sentinelSENTINELsentinel"


def test_the_token_goes_to_the_hub_and_nowhere_else(tmp_path):
    """LFS files come from another host, which must not see it; nor does any output."""
    with FakeHub({SET: FILES}, cdn=True, token=TOKEN).start() as hub:
        refused = dataset_program(hub, tmp_path)
        assert refused.returncode == 1
        assert "set HF_TOKEN to your token" in refused.stderr
        hub.requests.clear()
        hub.fail("*.parquet", status=503, times=1)
        done = dataset_program(hub, tmp_path, HF_TOKEN=TOKEN)
        assert done.returncode == 0, done.stderr
        assert not hub.asked("GET", "*agent*"), "the client's question how to report who calls it"
        hosts = {each.server for each in hub.requests}
        assert hosts == {"hub", "cdn"}
        for each in hub.requests:
            assert ("authorization" in each.headers) == (each.server == "hub")
            assert TOKEN not in each.query
    assert TOKEN not in done.stdout + done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_signatures_of_addresses_are_not_logged(tmp_path):
    # The library waits for a second before it asks for the rest of a file, five times.
    skip = "import time; sleep = time.sleep; time.sleep = lambda seconds: seconds != 1 and sleep(seconds)"
    (tmp_path / "sitecustomize.py").write_text(skip)
    with FakeHub({SET: FILES}, cdn=True).start() as hub:
        hub.fail("*.parquet", truncate=0.5)
        done = dataset_program(hub, tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "the connection broke" in done.stderr
    assert "signature" not in done.stderr


def test_a_listing_that_goes_on_elsewhere_does_not_take_the_token_along(place, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with FakeHub({SET: FILES}, page=2).start() as hub, FakeHub({SET: FILES}, page=2).start() as other:
        place.use(hub)
        hub.next_page_at = other.endpoint
        place.download()
        assert other.asked("GET", "*/tree/*") >= 2
        assert not [each for each in other.requests if "authorization" in each.headers]
        assert all(TOKEN in each.headers["authorization"] for each in hub.requests)


def test_a_server_that_repeats_the_token_is_not_quoted(place, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with FakeHub({SET: {f"{TOKEN}.json": b"{}"}}).start() as hub:
        place.use(hub)
        message = place.fails()
    assert "the repository has ***.json" in message


def test_names_that_hold_the_token_are_not_logged(place, monkeypatch, capfd):
    """Neither those that are left out nor those that are fetched, nor those that are tried again."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with FakeHub({SET: {f"{TOKEN}.json": b"{}", f"{TOKEN}.py": b""}}).start() as hub:
        place.use(hub)
        hub.fail("*.json", status=503, times=1)
        place.download(hub_source(files=["*"]))
    lines = capfd.readouterr().err
    assert TOKEN not in lines
    for part in ("***.py left out", "***.json: the server answers 503"):
        assert part in lines


def test_passwords_in_addresses_are_not_repeated():
    """The config takes none; HF_ENDPOINT, proxies and redirects may hold one."""
    said = "GET http://user:s3cret@mirror:8080/a@b failed\nat https://mirror/c"
    assert one_line(said) == "GET http://***@mirror:8080/a@b failed at https://mirror/c"
