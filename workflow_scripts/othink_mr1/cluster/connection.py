"""Whether the hosts of downloads can be reached: opens a connection to each and sends nothing."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

HUB = "https://huggingface.co"
_SECONDS = 2.0
_PORTS = {"https": 443, "socks5": 1080, "socks5h": 1080}


def hub() -> str:
    """The address of the hub, or of the mirror configured in its place."""
    return os.environ.get("HF_ENDPOINT") or HUB


def unreachable(addresses: Iterable[str]) -> dict[str, str]:
    """The addresses whose host, or its proxy, accepts no connection, with the reason."""
    reasons: dict[str, str | None] = dict.fromkeys(addresses, "no answer")
    answers: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()

    def ask(address: str) -> None:
        answers.put((address, _reason(address)))

    for address in reasons:
        # Daemons: otherwise a name server that does not answer would keep the process alive.
        threading.Thread(target=ask, args=(address,), daemon=True).start()
    deadline = time.monotonic() + _SECONDS
    for _ in list(reasons):
        try:
            address, reason = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        reasons[address] = reason
    return {address: reason for address, reason in reasons.items() if reason}


def _reason(address: str) -> str | None:
    target = urlsplit(address)
    proxy = getproxies().get(target.scheme) or getproxies().get("all")
    if proxy and target.hostname and not proxy_bypass(target.hostname):
        target = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    try:
        port = target.port or _PORTS.get(target.scheme, 80)
        socket.create_connection((target.hostname or "", port), timeout=_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:  # such as a proxy whose password has a slash
        return f"its address or its proxy's is none: {error}"
    return None
