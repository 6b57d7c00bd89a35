"""What a forge answers when it does not do what it was asked, as errors that say what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from lockgen.errors import Refused, ToolFailed

Result = TypeVar("Result")

SECONDS = 30
"""The most that one answer may take."""
ATTEMPTS = 3
PAUSE = 0.5
"""Seconds before the second attempt; doubled before each later one."""


class Answered(Exception):
    """An answer that is no success. ``headers`` have lower-case names; ``said`` are the forge's words."""

    def __init__(self, status: int, said: str, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status, self.said, self.headers = status, said, headers


class Silent(Exception):
    """No answer, or half of one. ``slow``: it did not come in time."""

    def __init__(self, why: str, *, slow: bool = False) -> None:
        super().__init__(why)
        self.why, self.slow = why, slow


def patiently(
    forge: str, what: str, secrets: tuple[str, ...], work: Callable[[], Result], *, of_one: bool = False
) -> Result:
    """``work``'s result; asked again where the server failed or nobody answered, so ``work`` may be done twice.

    ``of_one``: it is about a pull request that is there, so that a word against it may be about that one only (its
    conversation is locked, say).

    Raises:
        Refused: it is about the one thing that was asked for, and not about who asks.
        ToolFailed: in words of ``what`` was asked, with no secret in them.
    """
    for attempt in range(ATTEMPTS):
        last = attempt == ATTEMPTS - 1
        try:
            return work()
        except Answered as answer:
            if answer.status < 500 or last:
                raise _told(forge, what, _hidden(answer.said, secrets), answer, of_one) from None
        except Silent as error:
            if last:
                word = "did not answer in time" if error.slow else "gave no whole answer"
                raise ToolFailed(
                    f"{forge} {word}: {what}",
                    reason=_hidden(error.why, secrets),
                    hint="is the network there? run it again: a run goes on where one ended",
                ) from None
        time.sleep(PAUSE * 2**attempt)
    raise AssertionError("unreachable")


def _hidden(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _told(forge: str, what: str, said: str, answer: Answered, of_one: bool) -> ToolFailed:
    limited = _limited(answer)
    if limited is not None:
        return ToolFailed(
            f"{forge} limits how often it may be asked: {what}",
            reason=said or None,
            hint=f"run it again {limited}: a run goes on where one ended",
        )
    message, hint = _MEANING.get(answer.status, ("answers HTTP {status}", "run it again later"))
    if answer.status >= 500:
        message, hint = "fails with HTTP {status}", "run it again later: a run goes on where one ended"
    kind = Refused if answer.status in (*_OF_ONE, *(_MAYBE_OF_ONE if of_one else ())) else ToolFailed
    return kind(f"{forge} {message.format(status=answer.status)}: {what}", reason=said or None, hint=hint)


_OF_ONE = (409, 422)
"""What is about the one thing that was asked for, and not about who asks."""
_MAYBE_OF_ONE = (403, 404, 410)
"""The same of a pull request that was there a moment ago."""


_MEANING = {
    401: ("does not accept the token", "is it still valid? it comes from the environment only"),
    403: (
        "forbids it",
        "the token has to be allowed to write contents and pull requests (GitHub: `permissions:` of the job, and in the"
        " repository's settings that Actions may open pull requests; GitLab: scope api, role Developer)",
    ),
    404: (
        "knows no such repository, or does not show it to this token",
        "is its name right, and may the token see it?",
    ),
    409: ("says that it conflicts", "run it again: somebody else was at work"),
    422: ("does not accept it", "is the base branch right, and has the repository pull requests?"),
}


def _limited(answer: Answered) -> str | None:
    """When it may be asked again, in words; None where it is not about that (GitHub says it with 403 or 429)."""
    headers = answer.headers
    words = "rate limit" in answer.said.lower()
    used_up = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0"
    if answer.status not in (403, 429) or not (answer.status == 429 or words or used_up or "retry-after" in headers):
        return None
    until = _retry_after(headers.get("retry-after")) or _reset(
        headers.get("x-ratelimit-reset", headers.get("ratelimit-reset"))
    )
    return f"after {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if until is not None else "in some minutes"


def _retry_after(text: str | None) -> datetime | None:
    """Seconds, or a date (RFC 9110, 10.2.3)."""
    if not text:
        return None
    try:
        if text.strip().isdecimal():
            return datetime.now(UTC) + timedelta(seconds=int(text))
        return parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None


def _reset(text: str | None) -> datetime | None:
    """Seconds since 1970."""
    try:
        return datetime.fromtimestamp(int(text), UTC) if text else None
    except (ValueError, OverflowError, OSError):
        return None
