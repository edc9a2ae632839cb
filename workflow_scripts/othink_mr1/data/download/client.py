"""The HTTP client of all downloads. The hub's library uses it too, so that one place decides what is retried,
where the token goes and that offline means offline.

Each request is repeated here until patience ends. So the library's own retries do not come into play: they
give up sooner, and sleep through a Retry-After of a day. One thing is left to it: when a connection breaks
in the middle of a file, it asks for the rest.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import huggingface_hub
import tenacity
from huggingface_hub import constants
from huggingface_hub.utils import logging, parse_ratelimit_headers  # type: ignore[attr-defined]

from othink_mr1.data.download.secrets import say
from othink_mr1.errors import UserError

Thing = TypeVar("Thing")

TIMEOUT = httpx2.Timeout(30.0, connect=15.0)
PASSING = frozenset({408, 425, 429})  # and 5xx
# The hub counts requests in windows of five minutes; a server that wants longer than that is given up.
LONGEST_ASKED_SECONDS = 300.0
LONGEST_WAIT_SECONDS = 60.0  # between two attempts, if the server does not ask for more
MOST_PAGES = 1000  # of the lists of files that one program asks for; the hub's have a thousand files each
OFFLINE_REMEDY = "run `snakemake download` on a machine with internet and the same results folder"
_CHECK = "check its entry in config.yaml, and HF_ENDPOINT if that is set"
_LISTING = re.compile(r"/api/(datasets|models)/.+/tree/")
_FILE = re.compile(r"/resolve/[^/]+/(.+)")


class Interrupted(Exception):
    """An attempt failed for a reason that may pass. asked: seconds that the server wants us to wait."""

    def __init__(self, reason: str, asked: float = 0.0) -> None:
        super().__init__(reason)
        self.asked = asked


@dataclass(frozen=True)
class Patience:
    """How often one request is made, and how long the first pause is; later pauses are longer.

    By default a server that fails at once is given up after 31 to 36 seconds, one that lets each attempt
    time out (TIMEOUT) after 2 to 4 minutes; longer only if it asks for longer waits itself.
    """

    attempts: int = 6
    first_wait_seconds: float = 1.0

    def retry(self, what: str, attempt: Callable[[], Thing]) -> Thing:
        """The attempt's value; it is repeated while it raises Interrupted, UserError when patience ends."""
        growing = tenacity.wait_exponential_jitter(
            multiplier=self.first_wait_seconds, max=LONGEST_WAIT_SECONDS, jitter=self.first_wait_seconds
        )

        def say_when(state: tenacity.RetryCallState) -> None:
            seconds = state.next_action.sleep if state.next_action else 0.0
            say(f"download {what}: {_interruption(state)}; next try in {seconds:.1f} s")

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Interrupted),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=lambda state: max(growing(state), _interruption(state).asked),
            before_sleep=say_when,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except Interrupted as error:
            raise UserError(
                f"{what}: {error} ({self.attempts} attempts); run it again later; complete files are kept"
            ) from None


class DownloadClient(httpx2.Client):
    """Follows redirects; proxies come from the environment. Every failure that lasts is a UserError.

    what: names the download in messages.
    """

    def __init__(self, what: str, patience: Patience) -> None:
        super().__init__(follow_redirects=True, timeout=TIMEOUT)
        self._what, self._patience = what, patience
        self._thread = threading.local()
        self._pages = 0

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        # The library fetches each file in one thread: first it asks the hub, then perhaps another host, whose
        # addresses do not name the file.
        if match := _FILE.search(request.url.path):
            self._thread.names = [self._what, match[1]]
        names = getattr(self._thread, "names", [self._what])
        what = ": ".join(names)
        if constants.is_offline_mode():
            raise UserError(f"{what}: not asked for, as HF_HUB_OFFLINE is set; {OFFLINE_REMEDY}")
        self._pages += _LISTING.search(request.url.path) is not None
        if self._pages > MOST_PAGES:
            raise UserError(f"{what}: its file list is longer than {MOST_PAGES} pages; {_CHECK}")
        # The library sends the token wherever a listing's next page is said to be. On redirects to other
        # hosts httpx removes it.
        if not _is_hub(request.url):
            request.headers.pop("Authorization", None)
        # Compressed on the way, neither sizes nor parts would be the file's.
        request.headers["Accept-Encoding"] = "identity"
        # The library asks for no timeout in some calls: a dead connection would hang forever.
        request.extensions = {**request.extensions, "timeout": TIMEOUT.as_dict()}

        def attempt() -> httpx2.Response:
            try:
                response = super(DownloadClient, self).send(request, **options)
            except httpx2.TimeoutException:
                raise Interrupted("the server does not answer in time") from None
            except httpx2.UnsupportedProtocol as error:
                raise UserError(
                    f"{what}: redirects to an address that is not http or https ({error}); {_CHECK}"
                ) from None
            except httpx2.TransportError as error:
                raise Interrupted(f"the connection failed ({error or type(error).__name__})") from None
            except (httpx2.TooManyRedirects, httpx2.DecodingError, httpx2.InvalidURL) as error:
                raise UserError(f"{what}: the server's answer is invalid ({error}); {_CHECK}") from None
            if response.status_code >= 400:
                response.close()
                _refuse(what, response)
            if isinstance(response.stream, httpx2.SyncByteStream):
                response.stream = _Body(response.stream, names)
            return response

        return self._patience.retry(what, attempt)


class _Body(httpx2.SyncByteStream):
    """A body that breaks off in the one way after which the library asks for the rest."""

    def __init__(self, stream: httpx2.SyncByteStream, names: list[str]) -> None:
        self._stream, self._names = stream, names

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except httpx2.TransportError as error:
            reason = f"the connection broke ({error or type(error).__name__})"
            say(f"download {': '.join([*self._names, reason])}; asks again")
            raise httpx2.RemoteProtocolError(": ".join([*self._names[1:], reason])) from None

    def close(self) -> None:
        self._stream.close()


def use_download_client(what: str, patience: Patience) -> httpx2.Client:
    """Make the hub's library use our client; returns it."""
    # How much must come before another break counts as the first one again.
    constants.DOWNLOAD_CHUNK_SIZE = 2**20
    logging.set_verbosity_error()  # its warnings quote addresses with their signatures; we say the same
    huggingface_hub.set_client_factory(lambda: DownloadClient(what, patience))
    try:
        return huggingface_hub.get_session()
    except (ValueError, httpx2.InvalidURL):  # not quoted: it may be a piece of a password
        raise UserError(
            f"{what}: invalid proxy address; correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"
        ) from None


def _is_hub(url: httpx2.URL) -> bool:
    hub = httpx2.URL(constants.ENDPOINT)
    return (url.scheme, url.host, url.port) == (hub.scheme, hub.host, hub.port)


def _refuse(what: str, response: httpx2.Response) -> None:
    """Raise Interrupted if the server may answer better later; otherwise a UserError that says what to do."""
    status = response.status_code
    answer = f"the server answers {status} {response.reason_phrase}"
    if status in PASSING or status >= 500:
        asked = _asked_wait(response)
        if asked > LONGEST_ASKED_SECONDS:
            raise UserError(f"{what}: {answer} and asks to wait {asked:.0f} s; run it again later")
        raise Interrupted(answer, asked)
    code, hub = response.headers.get("X-Error-Code", ""), _is_hub(response.url)
    if hub and (code == "GatedRepo" or status == 403):
        remedy = "accept the conditions on the repository's page, and set HF_TOKEN to your token"
    elif hub and status == 401:
        remedy = "no such repository, or a private one: check its name, or set HF_TOKEN to your token"
    elif code == "RevisionNotFound":
        remedy = "it has no such revision; check `revision`"
    else:
        remedy = _CHECK
    raise UserError(f"{what}: {answer}; {remedy}")


def _asked_wait(response: httpx2.Response) -> float:
    """Seconds until the server wants to be asked again: by Retry-After or the hub's own header."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    limit = parse_ratelimit_headers(response.headers)
    return float(limit.reset_in_seconds) if limit and limit.remaining == 0 else 0.0


def _interruption(state: tenacity.RetryCallState) -> Interrupted:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Interrupted)
    return error
