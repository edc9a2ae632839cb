"""Downloads, from servers on this machine's loopback: whole and as pinned, or not at all."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from othink_mr1.data.download import download_source
from othink_mr1.errors import UserError
from othink_mr1.study.artefacts import read_manifest
from othink_mr1.study.sources import UrlSource

SCRIPTS = Path(__file__).parents[2] / "workflow_scripts"
BODY = b'{"image_path": "./1.png"}\n' * 1000
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def served(answers):
    """Serve path -> body (or a status code) on a free port; yields the address and the list of requests."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.split("?")[0]
            asked.append(f"{self.command} {path}")
            answer = answers.get(path, 404)
            body = answer if isinstance(answer, bytes) else b""
            self.send_response(200 if isinstance(answer, bytes) else answer)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[: len(body) // 2] if path == "/short.jsonl" else body)

        do_HEAD = do_GET

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def url_source(url, body=BODY):
    return UrlSource(kind="url", url=url, sha256=hashlib.sha256(body).hexdigest())


def test_a_file_is_downloaded_and_checked(tmp_path):
    with served({"/a/prompts.jsonl": BODY}) as (address, _):
        download_source(url_source(f"{address}/a/prompts.jsonl?raw=1"), tmp_path / "raw")
    assert (tmp_path / "raw/prompts.jsonl").read_bytes() == BODY
    manifest = read_manifest(tmp_path / "raw")
    assert manifest["files"] == {
        "prompts.jsonl": {"bytes": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}
    }


@pytest.mark.parametrize("path", ["/prompts.jsonl", "/short.jsonl"])
def test_another_content_is_refused_in_one_line(tmp_path, path):
    """/short.jsonl breaks off half-way, which nothing but the sha256 shows."""
    with served({"/prompts.jsonl": BODY + b"?", "/short.jsonl": BODY}) as (address, _):
        source = url_source(address + path).model_dump_json()
        done = run("download_source.py", "--source", source, "--output", tmp_path / "raw")
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("download "))
    assert line.startswith(f"error: {address}{path}: sha256 is ")
    assert "the config says" in line
    assert not list((tmp_path / "raw").iterdir())


def test_server_errors_are_named(tmp_path):
    with served({}) as (address, _), pytest.raises(UserError, match=r"x: the server answers 404 Not Found"):
        download_source(url_source(f"{address}/x"), tmp_path / "raw")
    with pytest.raises(UserError, match=r"not reachable .*refused"):
        download_source(url_source(f"{address}/x"), tmp_path / "raw")


def hub(kind, repository, files):
    """What a hub serves for one repository, as far as a download by commit or branch asks."""
    tree = [
        {"type": "file", "path": name, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
        for name, body in files.items()
    ]
    prefix = "/datasets" if kind == "datasets" else ""
    answers = {f"{prefix}/{repository}/resolve/{COMMIT}/{name}": body for name, body in files.items()}
    answers[f"/api/{kind}/{repository}/tree/{COMMIT}"] = json.dumps(tree).encode()
    facts = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
    for revision in ("main", COMMIT):
        answers[f"/api/{kind}/{repository}/revision/{revision}"] = json.dumps(facts).encode()
    return answers


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_hub_set_is_downloaded_by_patterns(tmp_path, revision):
    files = {"data/train-00000-of-00001.parquet": b"PAR1", "README.md": b"no", "load.py": b"import os"}
    source = {"kind": "hub", "repository": "owner/set", "revision": revision, "files": ["*.parquet"]}
    with served(hub("datasets", "owner/set", files)) as (address, asked):
        arguments = ("--source", json.dumps(source), "--output", tmp_path / "raw")
        done = run("download_source.py", *arguments, endpoint=address, home=tmp_path / "home")
        assert done.returncode == 0, (done.stderr, asked)
    manifest = read_manifest(tmp_path / "raw")
    assert list(manifest["files"]) == ["data/train-00000-of-00001.parquet"]
    assert manifest["revision"] == COMMIT


def test_a_backbone_is_safetensors_and_texts_only(tmp_path):
    wanted = ["config.json", "merges.txt", "model.safetensors", "tokenizer.json"]
    files = {name: name.encode() for name in [*wanted, "pytorch_model.bin", "modeling.py", "weights.pkl"]}
    backbone = {"kind": "hub", "repository": "owner/model", "revision": COMMIT}
    with served(hub("models", "owner/model", files)) as (address, asked):
        arguments = ("--backbone", json.dumps(backbone), "--output", tmp_path / "backbone")
        done = run("download_backbone.py", *arguments, endpoint=address, home=tmp_path / "home")
        assert done.returncode == 0, (done.stderr, asked)
    assert sorted(read_manifest(tmp_path / "backbone")["files"]) == wanted


@pytest.mark.parametrize(("repository", "files"), [("owner/other", ["*"]), ("owner/set", ["*.zip"])])
def test_what_the_hub_does_not_have_is_one_line(tmp_path, repository, files):
    source = {"kind": "hub", "repository": repository, "revision": COMMIT, "files": files}
    with served(hub("datasets", "owner/set", {"README.md": b"no"})) as (address, _):
        arguments = ("--source", json.dumps(source), "--output", tmp_path / "raw")
        done = run("download_source.py", *arguments, endpoint=address, home=tmp_path / "home")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"error: {repository} at {COMMIT}: ")
    assert "Traceback" not in done.stderr


def test_an_unreachable_hub_is_one_line(tmp_path):
    with served({}) as (address, _):
        pass  # a port where nobody listens any more
    source = {"kind": "hub", "repository": "owner/set", "revision": "main", "files": ["*"]}
    arguments = ("--source", json.dumps(source), "--output", tmp_path / "raw")
    done = run("download_source.py", *arguments, endpoint=address, home=tmp_path / "home")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: owner/set at main: the hub does not deliver it")
    assert "Traceback" not in done.stderr


def run(script, *arguments, endpoint="", home=""):
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)} if endpoint else None
    command = [sys.executable, SCRIPTS / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
