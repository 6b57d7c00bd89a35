"""Requests to the forge during a run: which failures end the run, and which are about one pull request only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lockgen.errors import Refused, ToolFailed
from lockgen.update.ports import Forge

Answer = TypeVar("Answer")


class ForgeFailed(ToolFailed):
    """The forge as a whole failed: the run makes no further requests."""


def ask(forge: Forge, request: Callable[[Forge], Answer]) -> Answer:
    """The answer of ``forge`` to a request.

    Raises:
        Refused: the forge refused this one request.
        ForgeFailed: any other failure, which every later request would meet too.
    """
    try:
        return request(forge)
    except Refused:
        raise
    except ToolFailed as error:
        raise ForgeFailed.of(error.faults) from error
