"""What is tried again, how often and after how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from othink_mr1.data.download.secrets import say
from othink_mr1.errors import UserError

Thing = TypeVar("Thing")

LONGEST_WAIT_SECONDS = 60.0


class Interrupted(Exception):
    """An attempt failed for a reason that may pass. asked: seconds that the server wants us to wait."""

    def __init__(self, reason: str, asked: float = 0.0) -> None:
        super().__init__(reason)
        self.asked = asked


@dataclass(frozen=True)
class Patience:
    """How often one request is made, and how long the first pause is; later pauses are longer.

    By default a server that fails at once is given up after 31 to 36 seconds, one that lets each attempt
    time out (client.TIMEOUT) after 2 to 4 minutes; longer only if it asks for longer waits itself.
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
                f"{what}: {error} ({self.attempts} attempts); start it again later, what is complete is kept"
            ) from None


def _interruption(state: tenacity.RetryCallState) -> Interrupted:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Interrupted)
    return error
