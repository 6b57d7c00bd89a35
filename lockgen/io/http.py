"""The only way to HTTP. Loads `transport.py` with the first request: it is slow to import, and many runs send none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from lockgen.core.urls import Login, redacted
from lockgen.errors import ToolFailed
from lockgen.io.credentials import KnownCredentials
from lockgen.io.http_model import LARGEST, Opened, Response

if TYPE_CHECKING:
    from lockgen.io.transport import Transport


class Http:
    """A client for many threads. User info in a URL is sent as basic authentication, to that URL's host only."""

    def __init__(self, note: Callable[[str], None] = lambda text: None) -> None:
        """``note`` gets a message if a server does not answer at once, one for each host."""
        self._note = note
        # Kept here, because two threads may create a transport at the same time, and one of them is dropped.
        self._credentials = KnownCredentials()

    @cached_property
    def _transport(self) -> Transport:
        from lockgen.io.transport import Transport

        return Transport(self._credentials, self._note)

    def add_index(self, url: str, name: str | None = None) -> str:
        """Use the credentials of the index at ``url``, and return the URL without them.

        The index called ``name`` in versions.toml may have its credentials in the environment.

        Raises:
            ToolFailed: ``url`` is not valid.
        """
        try:
            return self._credentials.add_index(url, name)
        except ValueError:
            raise ToolFailed(f"{redacted(url)} is not a valid URL", hint="check the URLs of the index") from None

    def login(self, url: str) -> Login | None:
        """The credentials of the index at ``url``; None if it has none, or if they are in netrc."""
        return self._credentials.candidates(url)[0]

    def index_name(self, url: str) -> str | None:
        """The name of the index at ``url`` in versions.toml; None for another one."""
        return self._credentials.name(url)

    def access_hint(self, url: str) -> str:
        """Where a user puts credentials for ``url``."""
        return self._credentials.hint(url)

    def get(self, url: str, *, accept: str | None = None, span: str | None = None, largest: int = LARGEST) -> Response:
        """The answer to GET. ``span`` is the value of a Range header; ``largest`` bounds the body, in bytes.

        Raises:
            ToolFailed: no connection, a body that was cut off or is too large, or any status but 200, 206 and 404.
        """
        return self._transport.get(url, accept=accept, span=span, largest=largest)

    def post(self, url: str, document: object, *, largest: int = LARGEST) -> Response:
        """The answer to a POST of ``document``, as JSON. Only for queries: without an answer it is sent again.

        Raises:
            ToolFailed: as `get`.
        """
        return self._transport.post(url, document, largest=largest)

    def opened(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        form: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Opened]:
        """A body of any size to read as a stream. Redirects are followed, without the credentials of the first host.

        A ``form`` is sent to this URL only: a redirect is returned, not followed.

        Raises:
            ToolFailed: no connection.
        """
        return self._transport.opened(url, headers, method, form)
