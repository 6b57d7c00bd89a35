"""An index on loopback: pages and metadata from a source, for clients that speak HTTP only."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import canonicalize_name

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.errors import LockgenError
from lockgen.index.page_writer import HTML_TYPE, JSON_TYPE, render_html, render_json


@dataclass(frozen=True, slots=True)
class Served:
    """A page. ``own``: the server itself answers for its files, and they get addresses below it.

    ``hashed``: the page says the hash of their metadata; without it that is read only when somebody asks for it.
    """

    page: ProjectPage
    own: bool
    hashed: bool = True


class Source(Protocol):
    """What is served. Called from many threads."""

    def page(self, index: str, project: str) -> Served | None: ...

    def metadata(self, index: str, name: str) -> bytes | None: ...

    def location(self, index: str, name: str) -> str | None:
        """Where the file itself is, None where only its metadata is known."""
        ...


def metadata_text(metadata: CoreMetadata) -> bytes:
    """The headers of a METADATA file."""
    lines = ["Metadata-Version: 2.1", f"Name: {metadata.name}", f"Version: {metadata.version}"]
    if metadata.requires_python:
        lines.append(f"Requires-Python: {metadata.requires_python}")
    lines += [f"Provides-Extra: {extra}" for extra in metadata.extras]
    lines += [f"Requires-Dist: {line}" for line in metadata.requires]
    return ("\n".join(line.replace("\n", " ") for line in lines) + "\n").encode()


class RecordedIndexes:
    """Recorded indexes as a source."""

    def __init__(self, indexes: Mapping[str, ExplicitIndex]) -> None:
        self._indexes = indexes

    def page(self, index: str, project: str) -> Served | None:
        found = self._indexes.get(index)
        page = found.pages.get(project) if found else None
        return Served(page, own=True) if page is not None else None

    def metadata(self, index: str, name: str) -> bytes | None:
        found = self._indexes.get(index)
        known = found.metadata.get(name) if found else None
        return metadata_text(known) if known is not None else None

    def location(self, index: str, name: str) -> str | None:
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    source: Source

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without it each small answer waits for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet: stderr is for people."""

    def do_GET(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/") if part]
        match parts:
            case [index, "simple", project]:
                self._page(index, str(canonicalize_name(project)))
            case [index, "files", name] if name.endswith(".metadata"):
                self._metadata(index, name.removesuffix(".metadata"))
            case [index, "files", name]:
                self._file(index, name)
            case _:
                self._send(404, "text/plain", b"there is nothing here\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _page(self, index: str, project: str) -> None:
        try:
            served = self.server.source.page(index, project)
        except LockgenError as error:
            # Kept by the source for the one who asked; the client only learns that it failed. Not 500, 502 or 503:
            # pip would ask five times more, and wait longer each time.
            self._send(504, "text/plain", str(error).encode("ascii", "replace"))
            return
        if served is None:
            self._send(404, "text/plain", b"no such project\n")
            return

        def address(file: IndexFile) -> str:
            return f"/{quote(index)}/files/{quote(file.name)}" if served.own else file.url

        page = served.page
        if served.own and served.hashed:
            page = self._with_own_hashes(index, page)
        elif served.own:
            page = replace(page, files=tuple(replace(file, metadata_sha256="") for file in page.files))
        if "json" in self.headers.get("Accept", ""):
            self._send(200, JSON_TYPE, render_json(page, address))
        else:
            self._send(200, HTML_TYPE, render_html(page, address))

    def _with_own_hashes(self, index: str, page: ProjectPage) -> ProjectPage:
        # pip checks the hash of a .metadata file, and what is served is not the text that was recorded.
        files = []
        for file in page.files:
            text = self.server.source.metadata(index, file.name)
            files.append(replace(file, metadata_sha256=hashlib.sha256(text).hexdigest() if text is not None else None))
        return replace(page, files=tuple(files))

    def _metadata(self, index: str, name: str) -> None:
        text = self.server.source.metadata(index, name)
        if text is None:
            self._send(404, "text/plain", b"no such file\n")
        else:
            self._send(200, "application/octet-stream", text)

    def _file(self, index: str, name: str) -> None:
        elsewhere = self.server.source.location(index, name)
        if elsewhere is None:
            self._send(404, "text/plain", f"{name} is not here: this index holds metadata only\n".encode())
        else:
            self._send(302, "text/plain", b"elsewhere\n", {"Location": elsewhere})

    def _send(self, status: int, kind: str, body: bytes, more: Mapping[str, str] = MappingProxyType({})) -> None:
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving(source: Source, *, port: int = 0) -> Iterator[tuple[str, threading.Event]]:
    """Serves ``source`` on 127.0.0.1 while inside; yields the address and an event that nobody sets.

    Each index lies under /NAME/simple/.
    """
    server = _Server(("127.0.0.1", port), _Handler)
    server.source = source
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", threading.Event()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
