"""A hub of data sets and models on this machine's loopback, for tests: it answers as huggingface.co does.

As a library:

    with FakeHub({"datasets/owner/name": {"data/a.parquet": b"..."}}).start() as hub:
        hub.fail("*a.parquet", status=503, times=1)
        ...                                       # HF_ENDPOINT=hub.endpoint
        assert hub.asked("GET", "*a.parquet") == 2

As a program: `python tests/fake_hub.py --root DIR --port 8080`, where DIR holds
`<datasets|models>/<owner>/<name>/<files>` and `raw/<files>` (plain files for sources of kind `url`).
"""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fake_hub_answers import Handler
from fake_hub_repository import Commit, commit_of


@dataclass
class Fault:
    """What fails on requests whose path matches: on the first `times` of them, or always (None)."""

    pattern: str
    method: str = "GET"
    times: int | None = None
    status: int | None = None  # answer with this status and no content
    code: str | None = None  # the hub's X-Error-Code, sent with the status
    retry_after: int | None = None  # seconds, sent with the status
    truncate: float | None = None  # break the connection after this share of the body
    cut: bool = False  # break it like a router that lost the connection, not like a server that ends
    corrupt: bool = False  # change a byte in the middle of the body, not its length
    commit: str | None = None  # report this commit
    bytes_per_second: float | None = None
    silent_seconds: float = 0.0  # before any answer
    reset: bool = False  # break the connection before any answer
    body: bytes | None = None  # answer 200 with this
    redirect: str | None = None  # redirect the client there
    seen: int = 0


@dataclass
class Request:
    """One request, as logged: `server` is hub or cdn, `sent` the number of body bytes sent."""

    server: str
    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    status: int = 0
    sent: int = 0


class FakeHub:
    """content: a folder as described above, or {"datasets/owner/name" | "models/...": {path: bytes | Path}}
    with "raw" for plain files. token: required from clients (401 otherwise). cdn: LFS files are redirected
    to a second server, which answers 400 to a client that sends it a token, as S3 does. page: entries of a
    tree listing per answer. ranges: whether range requests are supported.
    """

    def __init__(
        self,
        content: Path | str | Mapping[str, Mapping[str, bytes | Path]],
        *,
        token: str | None = None,
        cdn: bool = False,
        page: int = 1000,
        ranges: bool = True,
        log: Path | None = None,
    ) -> None:
        self.token, self.page, self.ranges, self.log = token, page, ranges, log
        self.commits: dict[str, dict[str, Commit]] = {}  # repository -> commit -> files
        self.branches: dict[str, dict[str, str]] = {}  # repository -> branch -> commit
        self.raw: dict[str, bytes | Path] = {}
        self.objects: dict[str, bytes] = {}  # large files that were uploaded, by sha256
        self.private: dict[str, bool] = {}  # of the repositories that clients made
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self._lock = threading.Lock()
        self._with_cdn = cdn
        self.endpoint = self.cdn_endpoint = ""
        self.next_page_at: str | None = None  # a base address other than the hub's for a listing's next page
        self.endless_listing = False
        for name, files in (read_root(Path(content)) if isinstance(content, str | Path) else content).items():
            if name == "raw":
                self.raw.update(files)
            else:
                self.put(name, files)

    def put(self, repository: str, files: Mapping[str, bytes | Path], branch: str = "main") -> str:
        """Commit these files to a repository ("datasets/owner/name"), moving its branch."""
        commit = commit_of(repository, files)
        self.commits.setdefault(repository, {})[commit.sha] = commit
        self.branches.setdefault(repository, {})[branch] = commit.sha
        return commit.sha

    def commit(self, repository: str, revision: str = "main") -> str:
        """The commit of a branch."""
        return self.branches[repository][revision]

    def fail(self, pattern: str, **fault: Any) -> Fault:
        """Inject a fault (the fields of Fault) on requests whose path matches (`*` crosses `/`)."""
        self.faults.append(Fault(pattern, **fault))
        return self.faults[-1]

    def heal(self) -> None:
        """No more faults."""
        self.faults.clear()

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.method == method and fnmatchcase(path, fault.pattern):
                    fault.seen += 1
                    if fault.times is None or fault.seen <= fault.times:
                        return fault
        return None

    def asked(self, method: str = "*", pattern: str = "*") -> int:
        """How many requests matched so far."""
        return len(self.matching(method, pattern))

    def matching(self, method: str = "*", pattern: str = "*") -> list[Request]:
        """The matching requests so far, in order."""
        with self._lock:
            return [
                each
                for each in self.requests
                if fnmatchcase(each.method, method) and fnmatchcase(each.path, pattern)
            ]

    def note(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def finish(self, request: Request) -> None:
        if self.log:
            with self._lock, open(self.log, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(request)) + "\n")

    @contextmanager
    def start(self, port: int = 0) -> Iterator[FakeHub]:
        """Serve on 127.0.0.1 (the CDN on `localhost`, another host to any client) until the block ends."""
        servers = [self._serve("hub", port)]
        self.endpoint = f"http://127.0.0.1:{servers[0].server_port}"
        if self._with_cdn:
            servers.append(self._serve("cdn", 0))
            self.cdn_endpoint = f"http://localhost:{servers[1].server_port}"
        try:
            yield self
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()

    def _serve(self, name: str, port: int) -> ThreadingHTTPServer:
        handler = type("BoundHandler", (Handler,), {"hub": self, "server_name": name, "make": Request})
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server


def read_root(root: Path) -> dict[str, dict[str, Path]]:
    """{repository or "raw": {path in it: file}} of a folder with the layout in the module's docstring."""
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        name = file.relative_to(root).as_posix()
        match = re.fullmatch(r"((?:datasets|models)/[^/]+/[^/]+|raw)/(.+)", name)
        if not match:
            raise SystemExit(f"{file}: must lie in datasets/OWNER/NAME/, models/OWNER/NAME/ or raw/")
        found.setdefault(match[1], {})[match[2]] = file
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cdn", action="store_true", help="LFS files come from a second server")
    parser.add_argument("--token", help="required from whoever asks")
    parser.add_argument("--page", type=int, default=1000, help="entries per page of a listing")
    parser.add_argument("--log", type=Path, help="write each request here, as a JSON line")
    parser.add_argument(
        "--fail",
        nargs=2,
        action="append",
        default=[],
        metavar=("PATTERN", "JSON"),
        help='e.g. --fail "*images.zip" \'{"status": 503, "times": 1}\'',
    )
    arguments = parser.parse_args()
    hub = FakeHub(
        arguments.root,
        token=arguments.token,
        cdn=arguments.cdn,
        page=arguments.page,
        log=arguments.log,
    )
    for pattern, fault in arguments.fail:
        hub.fail(pattern, **json.loads(fault))
    with hub.start(arguments.port):
        print(f"HF_ENDPOINT={hub.endpoint}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
