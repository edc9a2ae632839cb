"""The HTTP client of all downloads. The hub's library uses it too, so that one place decides what is retried,
where the token goes and that offline means offline.

The library's own retries (up to 5 within each request, and a Retry-After of a day is slept through) do not
come into play: what may pass is raised as Interrupted, which it lets through.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

from othink_mr1.data.download.retries import LONGEST_ASKED_SECONDS, Interrupted, Refused

TIMEOUT = httpx2.Timeout(30.0, connect=15.0)
PASSING = frozenset({408, 425, 429})  # and 5xx


class DownloadClient(httpx2.Client):
    """Follows redirects; proxies come from the environment."""

    def __init__(self) -> None:
        super().__init__(follow_redirects=True, timeout=TIMEOUT)

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        if offline():
            raise Refused("not asked for, as HF_HUB_OFFLINE is set")
        # The library sends the token wherever a listing's next page is said to be. On redirects to other
        # hosts httpx removes it.
        if _origin(request.url) != _origin(httpx2.URL(constants.ENDPOINT)):
            request.headers.pop("Authorization", None)
        # The library asks for no timeout in some calls: a dead connection would hang forever.
        request.extensions = {**request.extensions, "timeout": TIMEOUT.as_dict()}
        with interruptions():
            response = super().send(request, **options)
        if response.status_code in PASSING or response.status_code >= 500:
            response.close()
            asked = _asked_wait(response)
            answer = f"the server answers {response.status_code} {response.reason_phrase}"
            if asked > LONGEST_ASKED_SECONDS:
                raise Refused(f"{answer} and wants no request for {asked:.0f} s; start it again later")
            raise Interrupted(answer, asked)
        return response


def use_download_client() -> httpx2.Client:
    """Make the hub's library use our client; returns it."""
    huggingface_hub.set_client_factory(DownloadClient)
    return huggingface_hub.get_session()


def offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids every request."""
    return constants.is_offline_mode()


@contextmanager
def interruptions() -> Iterator[None]:
    """Sort what can go wrong on the way to a server: Interrupted or Refused."""
    try:
        yield
    except httpx2.UnsupportedProtocol as error:
        raise Refused(f"the address leads elsewhere than http or https ({error}); check it") from None
    except httpx2.TimeoutException:
        raise Interrupted("the server does not answer in time") from None
    except httpx2.TransportError as error:
        raise Interrupted(f"the connection failed ({error or type(error).__name__})") from None
    except (httpx2.TooManyRedirects, httpx2.DecodingError, httpx2.InvalidURL) as error:
        raise Refused(f"the server's answer makes no sense ({error}); check the address") from None


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _asked_wait(response: httpx2.Response) -> float:
    """Seconds until the server wants to be asked again: by Retry-After or the hub's own header."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    if value:
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            return 0.0
    limit = parse_ratelimit_headers(response.headers)
    return float(limit.reset_in_seconds) if limit and limit.remaining == 0 else 0.0
