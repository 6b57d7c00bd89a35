"""An index on loopback without files, for clients that need HTTP. Pages and metadata come from a `PageSource`."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import canonicalize_name

from lockgen.core.index import ExplicitIndex, IndexFile, ProjectPage
from lockgen.errors import LockgenError, ToolFailed
from lockgen.index.core_metadata import metadata_text
from lockgen.index.page_writer import HTML_TYPE, JSON_TYPE, render_html, render_json
from lockgen.io.stopping import stop_waiting


@dataclass(frozen=True, slots=True)
class Served:
    """A page to serve.

    ``hashed``: the page includes the hashes of the metadata. Otherwise the metadata is read only on request.
    """

    page: ProjectPage
    hashed: bool = True


class PageSource(Protocol):
    """The contents of the server. Called from many threads."""

    def page(self, index: str, project: str) -> Served | None:
        """The page of ``project``; None if ``index`` does not have it. Raises LockgenError if it cannot be read."""
        ...

    def metadata(self, index: str, name: str) -> bytes | None:
        """The METADATA of the file ``name``; None if it is unknown."""
        ...


class RecordedIndexes:
    """Recorded indexes as a `PageSource`."""

    def __init__(self, indexes: Mapping[str, ExplicitIndex]) -> None:
        self._indexes = indexes

    def page(self, index: str, project: str) -> Served | None:
        found = self._indexes.get(index)
        if found is None or project not in found.pages:
            return None
        return Served(found.pages[project])

    def metadata(self, index: str, name: str) -> bytes | None:
        found = self._indexes.get(index)
        if found is None or name not in found.metadata:
            return None
        return metadata_text(found.metadata[name])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    source: PageSource

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors of a connection: clients hang up as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # With Nagle's algorithm, each small answer waits for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing: stderr is for messages to the user."""

    def do_GET(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/") if part]
        match parts:
            case [index, "simple", project]:
                self._page(index, str(canonicalize_name(project)))
            case [index, "files", name] if name.endswith(".metadata"):
                self._metadata(index, name.removesuffix(".metadata"))
            case [_, "files", name]:
                # A record has no files, a resolver needs none, and both servers must work without the network.
                self._send(404, "text/plain", f"{name} is not here: this index has metadata only\n".encode())
            case _:
                self._send(404, "text/plain", b"not found\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _page(self, index: str, project: str) -> None:
        try:
            served = self.server.source.page(index, project)
        except LockgenError as error:
            # The source keeps the error for its own report; the client only learns that it failed. Not 500, 502 or
            # 503: pip would retry five times, each time after a longer wait.
            self._send(504, "text/plain", str(error).encode("ascii", "replace"))
            return
        if served is None:
            self._send(404, "text/plain", b"no such project\n")
            return

        def address(file: IndexFile) -> str:
            return f"/{quote(index)}/files/{quote(file.name)}"

        page = self._with_metadata(index, served)
        if "json" in self.headers.get("Accept", ""):
            self._send(200, JSON_TYPE, render_json(page, address))
        else:
            self._send(200, HTML_TYPE, render_html(page, address))

    def _with_metadata(self, index: str, served: Served) -> ProjectPage:
        """The page with the attributes of the METADATA that this server provides."""
        files = []
        for file in served.page.files:
            digest: str | None = ""
            if served.hashed:
                digest = self._metadata_digest(index, file.name)
            files.append(replace(file, metadata_sha256=digest))
        return replace(served.page, files=tuple(files))

    def _metadata_digest(self, index: str, name: str) -> str | None:
        # pip checks this hash, and the served text is not the recorded one: `metadata_text` writes only some fields.
        text = self.server.source.metadata(index, name)
        return hashlib.sha256(text).hexdigest() if text is not None else None

    def _metadata(self, index: str, name: str) -> None:
        text = self.server.source.metadata(index, name)
        if text is None:
            self._send(404, "text/plain", b"no such file\n")
        else:
            self._send(200, "application/octet-stream", text)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving(source: PageSource, *, port: int = 0) -> Iterator[tuple[str, threading.Event]]:
    """Serve ``source`` on 127.0.0.1; each index is at /NAME/simple/.

    Yields the address of the server, and an event to wait for: it is never set, so waiting lasts until Ctrl-C.

    Raises:
        ToolFailed: ``port`` is in use or not permitted.
    """
    try:
        server = _Server(("127.0.0.1", port), _Handler)
    except OSError as error:
        hint = "choose another --port, or omit it to use any free port" if port else None
        raise ToolFailed(f"cannot listen on port {port} of 127.0.0.1: {error.strerror}", hint=hint) from error
    server.source = source
    # A short interval: leaving waits for up to one interval, and each solve of pip-compile has its own server.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", threading.Event()
    except Exception:
        _stop(server, thread)
        raise
    except BaseException:
        # Ctrl-C or a signal: a request may wait for a build.
        with stop_waiting():
            _stop(server, thread)
        raise
    _stop(server, thread)


def _stop(server: _Server, thread: threading.Thread) -> None:
    server.shutdown()
    # This does not wait for clients that keep their connection: the threads of requests are daemons.
    server.server_close()
    thread.join()
