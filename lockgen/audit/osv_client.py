"""Advisories from OSV: asked over HTTP, or from a dump that is here. What is not whole is an error, never "nothing"."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from packaging.utils import canonicalize_name

from lockgen.audit.advisory import Advisory
from lockgen.audit.osv_reader import ECOSYSTEM, packages_of, parse_advisory, parse_batch, read_json
from lockgen.core.ports import Cache, Progress
from lockgen.core.urls import redacted
from lockgen.errors import BadInput, Fault, Place, ToolFailed
from lockgen.io.http import Http
from lockgen.io.http_model import Response
from lockgen.io.parallel import Threads

API = "https://api.osv.dev"
_BATCH = 500
_PAGES = 100
_AT_ONCE = 8
_TOLD = 20
_HINT = "the dump is not whole, or not OSV's alone: fetch it again, or take this file out"

_SPOILT = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ValueError,
    EOFError,
    RuntimeError,
    NotImplementedError,
)
"""What `zipfile` raises of a zip that was cut or changed: each way of packing has an error of its own."""

Parsed = TypeVar("Parsed")


class OsvApi:
    """See ports.Advisories. ``memory`` keeps records, each under the moment when it last changed."""

    def __init__(self, http: Http, base: str, memory: Cache, progress: Progress) -> None:
        self.source = redacted(base)
        self._http, self._base = http, base.rstrip("/")
        self._memory, self._progress = memory, progress
        self._known: dict[str, Advisory] = {}

    def of_releases(self, releases: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[Advisory]]:
        """One question for each release, many at once.

        Raises:
            ToolFailed: OSV cannot be reached, refuses, or does not answer all of it.
        """
        return self._asked([({"package": _package(name), "version": version}, name) for name, version in releases])

    def of_packages(self, names: Sequence[str]) -> Mapping[str, Sequence[Advisory]]:
        """The same of all releases.

        Raises:
            ToolFailed: as `of_releases`.
        """
        return self._asked([({"package": _package(name)}, name) for name in names])

    def _asked(self, questions: Sequence[tuple[dict[str, Any], str]]) -> Mapping[str, Sequence[Advisory]]:
        found: dict[str, dict[str, str]] = {name: {} for _, name in questions}
        for first in range(0, len(questions), _BATCH):
            self._progress.step(f"asking OSV about {len(questions)} packages")
            self._pages(questions[first : first + _BATCH], found)
        wanted = {identifier: modified for listed in found.values() for identifier, modified in listed.items()}
        missing = sorted((name, modified) for name, modified in wanted.items() if name not in self._known)
        if missing:
            self._progress.step(f"reading {len(missing)} advisories")
        self._known |= zip(
            (name for name, _ in missing), Threads(_AT_ONCE).each(lambda row: self._record(*row), missing), strict=True
        )
        return {name: tuple(self._known[identifier] for identifier in sorted(found[name])) for name in found}

    def _pages(self, questions: Sequence[tuple[dict[str, Any], str]], found: dict[str, dict[str, str]]) -> None:
        pending = list(questions)
        for _ in range(_PAGES):
            if not pending:
                return
            answer = self._http.post(f"{self._base}/v1/querybatch", {"queries": [query for query, _ in pending]})
            pages = self._read(answer, partial(parse_batch, count=len(pending)))
            further = []
            for (query, name), page in zip(pending, pages, strict=True):
                found[name] |= page.found
                if page.next is not None:
                    further.append(({**query, "page_token": page.next}, name))
            pending = further
        raise ToolFailed(f"{self.source} has more than {_PAGES} pages for {pending[0][1]}", hint="run it again later")

    def _record(self, identifier: str, modified: str) -> Advisory:
        url = f"{self._base}/v1/vulns/{quote(identifier, safe='')}"
        key = hashlib.sha256(f"{url} {modified}".encode()).hexdigest()
        kept = self._memory.recall(key) if modified else None
        if kept is not None:
            try:
                return _same(parse_advisory(read_json(kept.encode())), identifier)
            except ValueError:
                pass  # a cache that was damaged costs only time
        answer = self._http.get(url, accept="application/json")
        advisory = self._read(answer, lambda document: _same(parse_advisory(document), identifier))
        if modified and read_json(answer.body).get("modified") == modified:
            with contextlib.suppress(UnicodeDecodeError):  # JSON in UTF-16: read, and not kept
                self._memory.keep(key, answer.body.decode())
        return advisory

    def _read(self, answer: Response, parse: Callable[[Any], Parsed]) -> Parsed:
        where = redacted(answer.url)
        if answer.status != 200:
            hint = "is that the address of OSV's API? run it again later, or use a dump: --database PATH"
            raise ToolFailed(f"{where} answers HTTP {answer.status}", hint=hint)
        try:
            return parse(read_json(answer.body))
        except ValueError as error:
            raise ToolFailed(
                f"{where} does not answer as OSV does",
                reason=str(error),
                hint="nothing is known of these packages: run it again later, or use a dump: --database PATH",
            ) from error


def _package(name: str) -> dict[str, str]:
    return {"name": name, "ecosystem": ECOSYSTEM}


def _same(advisory: Advisory, identifier: str) -> Advisory:
    if advisory.id != identifier:
        raise ValueError(f"asked for {identifier}, got {advisory.id}")
    return advisory


class OsvDump:
    """See ports.Advisories: the records under a folder, or in a zip such as OSV's all.zip of PyPI."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self.source = str(path)
        self._path, self._progress = path, progress
        self._records: dict[str, list[tuple[str, object]]] | None = None
        """Place and document by package: what nobody asks about is not read further."""

    def of_releases(self, releases: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[Advisory]]:
        """All records of these packages.

        Raises:
            BadInput: there is no such dump, it holds nothing of PyPI, or a file in it is no record.
        """
        return self.of_packages([name for name, _ in releases])

    def of_packages(self, names: Sequence[str]) -> Mapping[str, Sequence[Advisory]]:
        """The same.

        Raises:
            BadInput: as `of_releases`.
        """
        if self._records is None:
            self._progress.step(f"reading {self._path}")
            self._records = self._load()
        faults: list[Fault] = []
        found: dict[str, tuple[Advisory, ...]] = {}
        for name in names:
            records = self._records.get(str(canonicalize_name(name)), [])
            found[name] = tuple(a for place, document in records if (a := _advisory(place, document, faults)))
        _refuse(faults)
        return found

    def _load(self) -> dict[str, list[tuple[str, object]]]:
        found: dict[str, list[tuple[str, object]]] = {}
        faults: list[Fault] = []
        for place, data in self._files(faults):
            try:
                document = read_json(data)
                names = packages_of(document)
            except ValueError as error:
                faults.append(_fault(place, error))
                continue
            for name in names:
                found.setdefault(name, []).append((place, document))
        _refuse(faults)
        if not found:
            hint = "a folder of records, or the all.zip that OSV publishes for PyPI"
            raise BadInput("it holds no advisory of PyPI", place=Place(self.source), hint=hint)
        return found

    def _files(self, faults: list[Fault]) -> Iterable[tuple[str, bytes]]:
        if self._path.is_dir():
            yield from self._loose(faults)
            return
        try:
            yield from self._packed()
        except OSError as error:
            hint = "name a folder of OSV's records, or a zip of them"
            raise BadInput(
                f"it cannot be read: {error.strerror or error}", place=Place(self.source), hint=hint
            ) from error

    def _loose(self, faults: list[Fault]) -> Iterable[tuple[str, bytes]]:
        for file in sorted(file for file in self._path.rglob("*.json") if not file.is_dir()):
            try:
                yield str(file), file.read_bytes()
            except OSError as error:
                why = f"it cannot be read: {error.strerror or error}"
                faults.append(Fault(why, place=Place(str(file)), hint=_HINT))

    def _packed(self) -> Iterable[tuple[str, bytes]]:
        try:
            with zipfile.ZipFile(self._path) as archive:
                for name in sorted(name for name in archive.namelist() if name.endswith(".json")):
                    yield f"{self._path}/{name}", archive.read(name)
        except _SPOILT as error:
            raise BadInput(
                f"it is no whole zip: {error}", place=Place(self.source), hint="fetch it again, or name a folder"
            ) from error


def _advisory(place: str, document: object, faults: list[Fault]) -> Advisory | None:
    try:
        return parse_advisory(document)
    except ValueError as error:
        faults.append(_fault(place, error))
        return None


def _fault(place: str, error: ValueError) -> Fault:
    return Fault(f"no record of OSV: {error}", place=Place(place), hint=_HINT)


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise BadInput.of(faults[:_TOLD])
