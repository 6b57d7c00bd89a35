"""A package index on loopback with real wheels of a few hundred bytes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from support.loopback import QuietHandler, listening

BACKEND = """
import os, zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("{stem}-{version}.dist-info/METADATA", open("METADATA").read())
        tags = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("{stem}-{version}.dist-info/WHEEL", tags)
        wheel.writestr("{stem}.py", "ANSWER = 42\\n")
        names = ["{stem}.py", *("{stem}-{version}.dist-info/" + name for name in ("METADATA", "WHEEL", "RECORD"))]
        wheel.writestr("{stem}-{version}.dist-info/RECORD", "".join(name + ",,\\n" for name in names))
    return name
def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
"""


TINY_BACKEND = """
import os, zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    head = dict(line.split(": ", 1) for line in open("PKG-INFO").read().splitlines())
    stem = head["Name"].replace("-", "_") + "-" + head["Version"]
    module = head["Name"].replace("-", "_") + ".py"
    name = stem + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr(stem + ".dist-info/METADATA", open("METADATA").read())
        tags = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(stem + ".dist-info/WHEEL", tags)
        wheel.writestr(module, "BUILT_WITH = {version!r}\\n")
        names = [module, *(stem + ".dist-info/" + name for name in ("METADATA", "WHEEL", "RECORD"))]
        wheel.writestr(stem + ".dist-info/RECORD", "".join(name + ",,\\n" for name in names))
    return name
def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
"""


def metadata(name: str, version: str, requires: Sequence[str], extras: Sequence[str], python: str | None) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {python}"] if python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {line}" for line in requires]
    return "\n".join(lines) + "\n"


def _hashed(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
    return f"sha256={digest.rstrip('=')}"


def wheel(
    name: str,
    version: str,
    tag: str,
    text: str,
    code: str = "",
    files: Mapping[str, bytes] | None = None,
    unhashed: Mapping[str, bytes] | None = None,
) -> tuple[str, bytes]:
    """A wheel of one package, whose module ends in ``code``.

    ``files`` are added to it, or take the place of one; ``unhashed`` are packed without a hash in RECORD, and well.
    """
    return (
        _packed(name, version, tag, text, code, files, unhashed)
        if files or unhashed
        else _plain(name, version, tag, text, code)
    )


@lru_cache(4096)
def _plain(name: str, version: str, tag: str, text: str, code: str) -> tuple[str, bytes]:
    """Cached: a property test packs the same wheel for each request."""
    return _packed(name, version, tag, text, code, None, None)


def _packed(
    name: str,
    version: str,
    tag: str,
    text: str,
    code: str,
    files: Mapping[str, bytes] | None,
    unhashed: Mapping[str, bytes] | None,
) -> tuple[str, bytes]:
    stem = canonicalize_name(name).replace("-", "_")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = f"{stem}-{version}.dist-info"
        contents = {
            f"{stem}/__init__.py": f"__version__ = {version!r}\n{code}".encode(),
            f"{info}/METADATA": text.encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        }
        contents |= files or {}
        record = "".join(f"{path},{_hashed(content)},{len(content)}\n" for path, content in contents.items())
        for path, packed in (unhashed or {}).items():
            record += f"{path},,\n"
            archive.writestr(zipfile.ZipInfo(path, (2025, 1, 1, 0, 0, 0)), packed, zipfile.ZIP_DEFLATED, 1)
        for path, content in [*contents.items(), (f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode())]:
            # With the current time as the date of each file, every run would have other hashes.
            archive.writestr(zipfile.ZipInfo(path, (2025, 1, 1, 0, 0, 0)), content)
    return f"{stem}-{version}-{tag}.whl", buffer.getvalue()


def sdist(name: str, version: str, text: str, builds: Sequence[str] = (), *, static: bool = False) -> tuple[str, bytes]:
    """A source distribution with an in-tree backend; with ``builds``, it is `tinybackend`, which must be among them.

    A ``static`` one says itself what it requires (PEP 643).
    """
    stem = canonicalize_name(name).replace("-", "_")
    buffer = io.BytesIO()
    pyproject = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    if builds:
        pyproject = f'[build-system]\nrequires = {json.dumps(list(builds))}\nbuild-backend = "tinybackend"\n'
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in (
            ("pyproject.toml", pyproject),
            ("backend.py", BACKEND.format(stem=stem, version=version)),
            ("METADATA", text),
            ("PKG-INFO", f"Metadata-Version: {'2.2' if static else '2.1'}\nName: {name}\nVersion: {version}\n"),
        ):
            info = tarfile.TarInfo(f"{stem}-{version}/{path}")
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    # Not compressed and without a date: the same bytes everywhere.
    return f"{stem}-{version}.tar.gz", gzip.compress(buffer.getvalue(), compresslevel=0, mtime=0)


@dataclass
class LocalIndex:
    """Add packages, change them, make it fail. ``url`` is set while it is served."""

    url: str = ""
    pages: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        version: str,
        requires: Sequence[str] = (),
        *,
        tag: str = "py3-none-any",
        extras: Sequence[str] = (),
        python: str | None = None,
        source: bool = False,
        builds: Sequence[str] = (),
        static: bool = False,
        hashed: bool = True,
        uploaded: str = "2025-01-01T00:00:00Z",
        yanked: bool = False,
        files: Mapping[str, bytes] | None = None,
    ) -> str:
        """Adds one file; returns its name."""
        text = metadata(name, version, requires, extras, python)
        filename, data = (
            sdist(name, version, text, builds, static=static)
            if source
            else wheel(name, version, tag, text, files=files)
        )
        self.add_file(name, filename, data, None if source else text, hashed=hashed)
        entry = self.pages[canonicalize_name(name)][filename]
        entry |= {"upload-time": uploaded, "yanked": yanked} | ({"requires-python": python} if python else {})
        return filename

    def add_backend(self, version: str) -> str:
        """A build backend `tinybackend`; what it builds says in BUILT_WITH by which version."""
        text = metadata("tinybackend", version, [], [], None)
        name, data = wheel("tinybackend", version, "py3-none-any", text, TINY_BACKEND.format(version=version))
        self.add_file("tinybackend", name, data, text)
        return name

    def add_file(self, name: str, filename: str, data: bytes, text: str | None, *, hashed: bool = True) -> None:
        """Adds ``data`` as it is; ``text`` is its METADATA, of a wheel."""
        digest = hashlib.sha256(data).hexdigest()
        self.files[filename] = data
        entry: dict[str, object] = {
            "filename": filename,
            "url": f"/files/{filename.replace('+', '%2B')}",
            "hashes": {"sha256": digest} if hashed else {},
            "size": len(data),
            "upload-time": "2025-01-01T00:00:00Z",
            "yanked": False,
        }
        if text is not None:
            self.metadata[filename] = text.encode()
            entry["core-metadata"] = {"sha256": hashlib.sha256(text.encode()).hexdigest()}
        self.pages.setdefault(canonicalize_name(name), {})[filename] = entry

    def sha256(self, filename: str) -> str:
        return hashlib.sha256(self.files[filename]).hexdigest()

    def respond(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        parts = [part for part in unquote(path).split("/") if part]
        if len(parts) == 2 and parts[0] == "simple" and parts[1] in self.pages:
            files = list(self.pages[parts[1]].values())
            body = json.dumps({"meta": {"api-version": "1.1"}, "name": parts[1], "files": files}).encode()
            return 200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}, body
        if len(parts) == 2 and parts[0] == "files":
            name = parts[1].removesuffix(".metadata")
            known = self.metadata if parts[1].endswith(".metadata") else self.files
            if name in known:
                return 200, {"Content-Type": "application/octet-stream"}, known[name]
        return 404, {}, b"nothing here"


@contextmanager
def serving(index: LocalIndex, host: str = "127.0.0.1") -> Iterator[LocalIndex]:
    class Handler(QuietHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            index.headers.append(str(self.headers))
            status, headers, body = index.respond(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)
            if "Content-Length" in headers:
                self.close_connection = True

    with listening(Handler, host) as address:
        index.url = f"http://{address}/simple"
        yield index
