"""A loopback server whose responses a test defines byte for byte. It records the requests."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from support.loopback import QuietHandler, listening

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Asked:
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """``length`` is what Content-Length says; None leaves it out."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = -1


Respond = Callable[[Asked], "Answer | Iterator[bytes]"]


@dataclass
class Hand:
    """``respond`` gives an Answer, or raw bytes of an HTTP answer piece by piece."""

    respond: Respond
    url: str = ""
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@contextmanager
def hand(respond: Respond) -> Iterator[Hand]:
    state = Hand(respond)

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()})
            state.asked.append(asked)
            answer = state.respond(asked)
            if not isinstance(answer, Answer):
                self.close_connection = True
                for piece in answer:
                    self.wfile.write(piece)
                    state.sent += len(piece)
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            length = len(answer.body) if answer.length == -1 else answer.length
            if length is not None:
                self.send_header("Content-Length", str(length))
            if length != len(answer.body):
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            self.wfile.write(answer.body)
            state.sent += len(answer.body)

    with listening(Handler) as address:
        state.port = int(address.rpartition(":")[2])
        state.url = f"http://{address}"
        yield state


def ranged(data: bytes, asked: Asked) -> Answer:
    """``data`` as a server answers that knows ranges (RFC 9110, 14.2)."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.headers.get("range", ""))
    if not found:
        return Answer(200, data)
    first, last = found[1], found[2]
    start = int(first) if first else max(0, len(data) - int(last))
    end = min(len(data), int(last) + 1) if first and last else len(data)
    return Answer(206, data[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})


def metadata_of(name: str, version: str, requires: Sequence[str] = (), **headers: str) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
    lines += [f"Requires-Dist: {line}" for line in requires]
    return ("\n".join(lines) + "\n\nA description: with a colon.\n").encode()


def wheel_of(filename: str, text: bytes, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """A wheel whose METADATA has ``before`` in front of it and ``after`` behind it, both stored."""
    stem = "-".join(filename.split("-")[:2])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in (
            ("first.bin", before),
            (f"{stem}.dist-info/METADATA", text),
            (f"{stem}.dist-info/WHEEL", b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            (f"{stem}.dist-info/RECORD", b""),
            ("last.bin", after),
        ):
            archive.writestr(zipfile.ZipInfo(path, (2025, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def simple_wheel(filename: str, requires: Sequence[str] = (), **headers: str) -> bytes:
    name, version = filename.split("-")[:2]
    return wheel_of(filename, metadata_of(name, version, requires, **headers))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Shelf:
    """An index of JSON pages (or HTML, with ``html``) made of wheels; ``said`` overrides what a page says of a file."""

    files: dict[str, bytes] = field(default_factory=dict)
    said: dict[str, dict[str, object]] = field(default_factory=dict)
    html: bool = False

    def entry(self, name: str) -> dict[str, object]:
        data = self.files[name]
        entry: dict[str, object] = {"filename": name, "url": f"../../files/{quote(name)}"}
        return entry | {"hashes": {"sha256": sha256(data)}, "size": len(data)} | self.said.get(name, {})

    def respond(self, asked: Asked) -> Answer:
        parts = [unquote(part) for part in asked.path.split("/") if part]
        match parts:
            case ["simple", project]:
                names = [name for name in self.files if name.split("-")[0].replace("_", "-") == project]
                if not names:
                    return Answer(404)
                entries = [self.entry(name) for name in names]
                if self.html:
                    return Answer(200, _html(entries), {"Content-Type": "text/html; charset=utf-8"})
                page = {"meta": {"api-version": "1.1"}, "name": project, "files": entries}
                return Answer(200, json.dumps(page).encode(), {"Content-Type": JSON})
            case ["files", name] if name in self.files:
                return ranged(self.files[name], asked)
            case _:
                return Answer(404)


def _html(entries: Sequence[Mapping[str, object]]) -> bytes:
    links = []
    for entry in entries:
        hashes = entry["hashes"]
        assert isinstance(hashes, dict)
        fragment = f"#sha256={hashes['sha256']}" if "sha256" in hashes else ""
        yanked = f' data-yanked="{entry["yanked"]}"' if "yanked" in entry else ""
        links.append(f'<a href="{entry["url"]}{fragment}"{yanked}>{entry["filename"]}</a>')
    return "\n".join(links).encode()
