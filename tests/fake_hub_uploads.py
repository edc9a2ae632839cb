"""The fake hub's answers to an upload: a repository is made, large files go by LFS, one commit has all.

Large files by Xet are not supported: clients must set HF_HUB_DISABLE_XET.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from fake_hub_repository import LFS_SUFFIXES

PREUPLOAD = re.compile(r"/api/((?:datasets|models)/[^/]+/[^/]+)/preupload/[^/]+")
COMMIT = re.compile(r"/api/((?:datasets|models)/[^/]+/[^/]+)/commit/([^/]+)")
BATCH = re.compile(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch")
OBJECT = re.compile(r"/lfs-objects/([0-9a-f]{64})")


def answer_upload(hub: Any, method: str, route: str, body: bytes) -> tuple[int, Any]:
    """The status and the JSON of the answer to a POST or PUT."""
    if method == "PUT":
        match = OBJECT.fullmatch(route)
        if not match or hashlib.sha256(body).hexdigest() != match[1]:
            return 400, {"error": "not what was announced"}
        hub.objects[match[1]] = body
        return 200, {}
    if route == "/api/repos/create":
        return _create(hub, json.loads(body))
    if route == "/api/validate-yaml":
        return 200, {"errors": [], "warnings": []}
    if match := PREUPLOAD.fullmatch(route):
        files = [
            {"path": file["path"], "uploadMode": _mode(file["path"]), "shouldIgnore": False}
            for file in json.loads(body)["files"]
        ]
        return (200, {"files": files}) if match[1] in hub.commits else (404, {"error": "no such repository"})
    if match := BATCH.fullmatch(route):
        return 200, {"transfer": "basic", "objects": [_action(hub, it) for it in json.loads(body)["objects"]]}
    if match := COMMIT.fullmatch(route):
        return _commit(hub, match[1], unquote(match[2]), body)
    return 404, {}


def _create(hub: Any, asked: dict[str, Any]) -> tuple[int, Any]:
    name = f"{asked['organization']}/{asked['name']}"
    url = f"{hub.endpoint}/{name}"
    if f"models/{name}" in hub.commits:
        return 409, {"error": "You already created this model repo", "url": url}
    hub.put(f"models/{name}", {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
    hub.private[f"models/{name}"] = bool(asked.get("private") or asked.get("visibility") == "private")
    return 200, {"url": url}


def _mode(path: str) -> str:
    return "lfs" if PurePosixPath(path).suffix.lower() in LFS_SUFFIXES else "regular"


def _action(hub: Any, asked: dict[str, Any]) -> dict[str, Any]:
    known = {"oid": asked["oid"], "size": asked["size"]}
    if asked["oid"] in hub.objects:
        return known
    return known | {"actions": {"upload": {"href": f"{hub.endpoint}/lfs-objects/{asked['oid']}"}}}


def _commit(hub: Any, repository: str, branch: str, body: bytes) -> tuple[int, Any]:
    before = hub.commits[repository][hub.branches[repository][branch]]
    files = {path: file.content for path, file in before.files.items()}
    for entry in map(json.loads, body.splitlines()):
        value = entry["value"]
        if entry["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            files[value["path"]] = hub.objects[value["oid"]]
    sha = hub.put(repository, files, branch)
    name = repository.split("/", 1)[1]
    return 200, {"commitUrl": f"{hub.endpoint}/{name}/commit/{sha}", "commitOid": sha, "success": True}
