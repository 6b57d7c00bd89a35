"""Retry requests to a forge, and turn its failures into errors with a hint."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar

from lockgen.errors import Refused, ToolFailed

Result = TypeVar("Result")

TIMEOUT = 30
"""Timeout per request, in seconds."""
ATTEMPTS = 3
PAUSE = 0.5
"""Seconds before the second attempt; doubled before each later one."""

_CONTINUE = "a new run continues where this one stopped"

# What the client libraries raise for a response of an unexpected shape.
_INVALID = (ValueError, TypeError, KeyError, AttributeError, AssertionError)


class ErrorResponse(Exception):
    """An HTTP error. ``headers`` have lower-case names; ``text`` is the forge's message."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status, self.text, self.headers = status, text, headers


class NoResponse(Exception):
    """No response, or an incomplete one. ``slow``: the request timed out."""

    def __init__(self, why: str, *, slow: bool = False) -> None:
        super().__init__(why)
        self.why, self.slow = why, slow


class ForgeCall(NamedTuple):
    """A request for a message: the forge's name, and what it was to do.

    ``of_one``: the request is about an existing pull request. So even a 403 or 404 may be about that one alone, for
    example because its conversation is locked.
    """

    forge: str
    what: str
    secrets: tuple[str, ...]
    of_one: bool = False


def with_retries(call: ForgeCall, work: Callable[[], Result]) -> Result:
    """The result of ``work``. It is called again if the server failed or did not answer, so it must be repeatable.

    Raises:
        Refused: the forge refused this request; other requests may succeed.
        ToolFailed: the forge as a whole failed. The message contains no secret.
    """
    for attempt in range(ATTEMPTS):
        last = attempt == ATTEMPTS - 1
        try:
            return _attempt(work)
        except ErrorResponse as response:
            # Another attempt only helps if the server failed. Retrying a rate limit would prolong it.
            if response.status < 500 or last:
                raise _error(call, response) from None
        except NoResponse as error:
            if last:
                raise _silence(call, error) from None
        time.sleep(PAUSE * 2**attempt)
    raise AssertionError("unreachable")


def _attempt(work: Callable[[], Result]) -> Result:
    try:
        return work()
    # The base class of all errors of requests, which both clients use.
    except OSError as error:
        slow = "timed out" in str(error).lower()
        raise NoResponse(type(error).__name__, slow=slow) from None
    except _INVALID as error:
        raise NoResponse(f"unexpected response: {type(error).__name__}") from None


def _silence(call: ForgeCall, error: NoResponse) -> ToolFailed:
    problem = "did not answer in time" if error.slow else "gave an incomplete answer"
    return ToolFailed(
        f"{call.forge} {problem}: {call.what}",
        reason=_redacted(error.why, call.secrets),
        hint=f"check your network connection and retry: {_CONTINUE}",
    )


def _redacted(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _error(call: ForgeCall, response: ErrorResponse) -> ToolFailed:
    reason = _redacted(response.text, call.secrets) or None
    retry_at = _rate_limit(response)
    # Never Refused: the next request would meet the same limit.
    if retry_at is not None:
        return ToolFailed(
            f"{call.forge} limits the request rate: {call.what}",
            reason=reason,
            hint=f"retry {retry_at}: {_CONTINUE}",
        )
    problem, hint = _problem(response.status)
    own = response.status in _OF_ONE or (call.of_one and response.status in _MAYBE_OF_ONE)
    kind = Refused if own else ToolFailed
    return kind(f"{call.forge} {problem}: {call.what}", reason=reason, hint=hint)


def _problem(status: int) -> tuple[str, str]:
    """What is wrong, and a hint."""
    if status >= 500:
        return f"failed with HTTP {status}", f"retry later: {_CONTINUE}"
    return _PROBLEMS.get(status, (f"answered HTTP {status}", "retry later"))


_OF_ONE = (409, 422)
"""Statuses about the single request: other requests may succeed."""
_MAYBE_OF_ONE = (403, 404, 410)
"""Statuses that are about the single request if its pull request was there a moment ago."""

_PROBLEMS = {
    401: ("rejected the token", "check that the token in the environment is still valid"),
    403: (
        "denied permission",
        "the token needs permission to write contents and pull requests (GitHub: `permissions:` of the job, and in the"
        " repository's settings that Actions may open pull requests; GitLab: scope api, role Developer)",
    ),
    404: (
        "found no such repository, or the token has no access to it",
        "check the name of the repository and the permissions of the token",
    ),
    409: ("reported a conflict", "another process changed it at the same time: retry"),
    422: ("rejected the request", "check the base branch, and that the repository has pull requests enabled"),
}


def _rate_limit(response: ErrorResponse) -> str | None:
    """When to retry, in words; None if the response is not about a rate limit."""
    if response.status == 429 or (response.status == 403 and _says_rate_limit(response)):
        return _retry_time(response.headers)
    return None


def _says_rate_limit(response: ErrorResponse) -> bool:
    """Whether a 403 is a rate limit: GitHub uses it for both missing permissions and limits."""
    headers = response.headers
    remaining = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining"))
    return remaining == "0" or "retry-after" in headers or "rate limit" in response.text.lower()


def _retry_time(headers: Mapping[str, str]) -> str:
    # Retry-After is more precise: the reset is about the primary limit only.
    until = _retry_after(headers.get("retry-after"))
    if until is None:
        # GitHub prefixes the headers, GitLab does not.
        until = _reset(headers.get("x-ratelimit-reset", headers.get("ratelimit-reset")))
    if until is None:
        return "in a few minutes"
    return f"after {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _retry_after(text: str | None) -> datetime | None:
    """The time in a Retry-After header: seconds from now, or a date (RFC 9110, 10.2.3)."""
    if not text:
        return None
    try:
        if text.strip().isdecimal():
            return datetime.now(UTC) + timedelta(seconds=int(text))
        return parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None


def _reset(text: str | None) -> datetime | None:
    """The time in a rate limit header: seconds since 1970."""
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None
