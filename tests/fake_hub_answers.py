"""The fake hub's answers: revision, tree, resolve (with ranges and redirects), the CDN, plain files."""

from __future__ import annotations

import gzip
import json
import re
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from fake_hub_repository import Commit, File
from fake_hub_uploads import answer_upload

API = re.compile(r"/api/((?:datasets|models)/[^/]+/[^/]+)/(revision|tree)/([^/]+)")
RESOLVE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
RESOLVE_CACHE = re.compile(r"/api/resolve-cache/((?:datasets|models)/[^/]+/[^/]+)/([^/]+)/(.+)")
SLICES_PER_SECOND = 20


class Handler(BaseHTTPRequestHandler):
    """Bound to a hub by FakeHub: `hub`, `server_name` ("hub" or "cdn") and `make`, the log's record."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are separate writes
    hub: Any
    server_name: str
    make: Any

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.route, self.query = parts.path, parts.query
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.request_log = self.make(self.server_name, self.command, unquote(self.route), self.query, headers)
        self.hub.note(self.request_log)
        self.body = self._received()
        self.fault = self.hub.fault_for(self.command, unquote(self.route))
        try:
            self._answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client was killed, or closed the connection
        self.hub.finish(self.request_log)

    do_HEAD = do_POST = do_PUT = do_GET

    def _answer(self) -> None:
        time.sleep(self.fault.silent_seconds if self.fault else 0.0)
        if self.fault and self.fault.reset:
            self._reset()
        elif self.fault and self.fault.body is not None:
            self._send(200, {"Content-Type": "text/html"}, self.fault.body)
        elif self.fault and self.fault.redirect:
            self._send(302, {"Location": self.fault.redirect})
        elif self.fault and self.fault.status and self.fault.code:
            self._not_found(self.fault.status, self.fault.code, "as the test wants it")
        elif self.fault and self.fault.status:
            later = self.fault.retry_after
            self._send(self.fault.status, {} if later is None else {"Retry-After": str(later)})
        elif self.server_name == "cdn":
            self._cdn()
        elif self.route.startswith("/raw/"):
            self._raw()
        elif self.command == "PUT":  # to a signed address, without a token
            self._upload()
        elif self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._not_found(401, "RepoNotFound", "Invalid username or password.")
        elif self.command == "POST":
            self._upload()
        elif match := API.fullmatch(self.route):
            self._api(*map(unquote, match.groups()))
        elif match := RESOLVE_CACHE.fullmatch(self.route):
            self._resolve(*map(unquote, match.groups()), cached=True)
        elif match := RESOLVE.fullmatch(self.route):
            kind, name, revision, path = match.groups()
            self._resolve(f"{kind or 'models/'}{name}", unquote(revision), unquote(path), cached=False)
        else:
            self._send(404, {})

    def _upload(self) -> None:
        status, value = answer_upload(self.hub, self.command, self.route, self.body)
        self._json(status, value)

    def _received(self) -> bytes:
        """The request's body, also one whose length is not announced."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _commit(self, repository: str, revision: str) -> Commit | None:
        """The requested commit, or None after the hub's answer that it does not exist."""
        if repository not in self.hub.commits:
            # Without a token, the hub does not reveal whether a repository exists.
            status = 404 if self.headers.get("Authorization") else 401
            self._not_found(status, "RepoNotFound", "Repository not found")
            return None
        sha = self.hub.branches[repository].get(revision, revision)
        commit: Commit | None = self.hub.commits[repository].get(sha)
        if commit is None:
            self._not_found(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _api(self, repository: str, what: str, revision: str) -> None:
        commit = self._commit(repository, revision)
        if commit is None:
            return
        name = repository.split("/", 1)[1]
        sha = (self.fault and self.fault.commit) or commit.sha
        if what == "tree":
            self._tree(commit)
            return
        card = commit.card()
        tags = [f"license:{card['license']}"] if card else []
        siblings = [{"rfilename": path} for path in commit.files]
        facts = {"id": name, "author": name.split("/")[0], "sha": sha, "private": False, "gated": False}
        self._json(200, {**facts, "tags": tags, "cardData": card, "siblings": siblings, "downloads": 1})

    def _tree(self, commit: Commit) -> None:
        entries = commit.tree()
        first = int(parse_qs(self.query).get("cursor", ["0"])[0])
        headers = {}
        if first + self.hub.page < len(entries) or self.hub.endless_listing:
            where = self.hub.next_page_at or self.hub.endpoint
            query = f"recursive=true&expand=false&cursor={first + self.hub.page}"
            headers["Link"] = f'<{where}{self.route}?{query}>; rel="next"'
        self._json(200, entries[first : first + self.hub.page], headers)

    def _resolve(self, repository: str, revision: str, path: str, cached: bool) -> None:
        commit = self._commit(repository, revision)
        if commit is None:
            return
        file = commit.files.get(path)
        if file is None:
            self._not_found(404, "EntryNotFound", "Entry not found")
            return
        sha = (self.fault and self.fault.commit) or commit.sha
        headers = {"X-Repo-Commit": sha, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.lfs_sha256:
            headers |= {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.lfs_sha256}"'}
            # A client may fetch it by Xet instead, which the fake does not support.
            token = f"/api/{repository}/xet-read-token/{commit.sha}"
            headers |= {"X-Xet-Hash": file.xet_hash, "X-Xet-Refresh-Route": token}
            if self.hub.cdn_endpoint:
                where = (
                    f"{self.hub.cdn_endpoint}/{repository}/{file.lfs_sha256}/{quote(path)}?signature=s3cret"
                )
                self._send(302, headers | {"Location": where})
                return
        elif not cached:
            # As on the hub since 2025: small files come from its own cache, by a relative redirect.
            where = f"/api/resolve-cache/{repository}/{commit.sha}/{quote(path, safe='')}"
            self._send(307, headers | {"Location": where})
            return
        self._file(file.read(), headers, compressible=not file.lfs_sha256)

    def _cdn(self) -> None:
        if "Authorization" in self.headers:
            self._send(400, {})  # S3: only one authentication mechanism allowed
            return
        kind, owner, name, sha256 = unquote(self.route).split("/")[1:5]
        commits = self.hub.commits.get(f"{kind}/{owner}/{name}", {}).values()
        files: list[File] = [file for commit in commits for file in commit.files.values()]
        found = next((file for file in files if file.lfs_sha256 == sha256), None)
        if found is None:
            self._send(403, {})
        else:
            self._file(found.read(), {"ETag": f'"{sha256[:32]}"', "Accept-Ranges": "bytes"}, False)

    def _raw(self) -> None:
        content = self.hub.raw.get(unquote(self.route).removeprefix("/raw/"))
        if content is None:
            self._send(404, {})
        else:
            self._file(content if isinstance(content, bytes) else content.read_bytes(), {}, True)

    def _file(self, body: bytes, headers: dict[str, str], compressible: bool) -> None:
        """A file or the requested part of it; texts are compressed if the client accepts that."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.hub.ranges:
            first = int(asked[1])
            if first >= len(body):
                self._send(416, headers | {"Content-Range": f"bytes */{len(body)}"})
                return
            span = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"}
            self._send(206, headers | span, body[first:], body_offset=first, whole=len(body))
        elif compressible and "gzip" in self.headers.get("Accept-Encoding", ""):
            self._send(200, headers | {"Content-Encoding": "gzip"}, gzip.compress(body))
        else:
            self._send(200, headers, body)

    def _not_found(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        self._send(status, {"X-Error-Code": code, "X-Error-Message": message}, body)

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, {"Content-Type": "application/json"} | (headers or {}), json.dumps(value).encode())

    def _send(
        self, status: int, headers: dict[str, str], body: bytes = b"", body_offset: int = 0, whole: int = 0
    ) -> None:
        self.request_log.status = status
        fault = self.fault if status in (200, 206) else None
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault and fault.corrupt:
            middle = max(0, min((whole or len(body)) // 2 - body_offset, len(body) - 1))
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        if fault and fault.truncate is not None:
            self._write(body[: int(len(body) * fault.truncate)], None)
            self.close_connection = True
            if fault.cut:
                self._wait_until_read()
                self._reset()
            else:
                self.connection.shutdown(socket.SHUT_WR)
        else:
            self._write(body, fault.bytes_per_second if fault else None)

    def _write(self, body: bytes, bytes_per_second: float | None) -> None:
        step = int(bytes_per_second / SLICES_PER_SECOND) + 1 if bytes_per_second else 2**20
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.request_log.sent += len(body[start : start + step])
            if bytes_per_second:
                time.sleep(1 / SLICES_PER_SECOND)

    def _wait_until_read(self) -> None:
        """Until the client has read all that was sent: a reset loses what it has not."""
        own, client = (
            f"{port:04X}" for _, port in (self.connection.getsockname(), self.connection.getpeername())
        )
        hung = time.monotonic() + 10
        while time.monotonic() < hung:
            queues = {}
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
                _, local, remote, _, queue, *_ = line.split()
                queues[local.partition(":")[2], remote.partition(":")[2]] = queue.split(":")
            if (own, client) not in queues or (client, own) not in queues:
                return  # the client has closed it
            if int(queues[own, client][0], 16) == 0 == int(queues[client, own][1], 16):
                return
            time.sleep(0.01)

    def _reset(self) -> None:
        """Close with RST, like a router that lost the connection."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        pass
