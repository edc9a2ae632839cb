"""Whether the hosts that downloads come from can be reached: a connection to each, and nothing more."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

HUB = "https://huggingface.co"
_SECONDS = 2.0


def hub() -> str:
    """The hub's address, or that of the mirror that stands in for it."""
    return os.environ.get("HF_ENDPOINT") or HUB


def unreachable(addresses: Iterable[str]) -> dict[str, str]:
    """Those of the addresses whose host, or the proxy in its place, takes no connection, with the reason."""
    wanted = list(dict.fromkeys(addresses))
    # Not waited for: a name server that does not answer would keep us longer than the user likes.
    pool = ThreadPoolExecutor(max(1, len(wanted)))
    try:
        pending = {address: pool.submit(_reason, address) for address in wanted}
        reasons = {}
        for address, future in pending.items():
            try:
                reasons[address] = future.result(_SECONDS)
            except TimeoutError:
                reasons[address] = "no answer"
        return {address: reason for address, reason in reasons.items() if reason}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _reason(address: str) -> str | None:
    target = urlsplit(address)
    proxy = getproxies().get(target.scheme)
    if proxy and target.hostname and not proxy_bypass(target.hostname):
        target = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        socket.create_connection((target.hostname or "", port), timeout=_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
