"""Answers to HTTP requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, NamedTuple

from lockgen.errors import ToolFailed

LARGEST = 64 * 1024 * 1024


class AccessRefused(ToolFailed):
    """A server answered with 401 or 403."""


class AccessForbidden(AccessRefused):
    """A server answered with 403."""


class Response(NamedTuple):
    """An answer with status 200, 206 or 404. ``headers`` have lower-case names; ``url`` is that after redirects."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


class Opened(NamedTuple):
    """An answer whose body is still to be read; any status. ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: IO[bytes]
