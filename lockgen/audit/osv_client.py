"""Advisories from OSV, over its HTTP API or from a dump. An incomplete answer is an error, never "nothing found"."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from packaging.utils import canonicalize_name

from lockgen.audit.advisory_model import Advisory
from lockgen.audit.osv_reader import ECOSYSTEM, packages_of, parse_advisory, parse_batch, read_json
from lockgen.core.archives import BadArchive, open_zip, read_member
from lockgen.core.ports import Cache, Progress
from lockgen.core.urls import redacted
from lockgen.core.words import counted
from lockgen.errors import BadInput, Fault, Place, ToolFailed
from lockgen.io.http import Http
from lockgen.io.http_model import Response
from lockgen.io.parallel import Threads

API = "https://api.osv.dev"
_BATCH = 500
"""The most queries of one request; OSV allows 1000."""
_PAGES = 100
"""The most pages of one answer: a server that never ends its answer must not keep lockgen waiting."""
_THREADS = 8
_SHOWN_FAULTS = 20
_HINT = "the dump is incomplete or contains other files: download it again, or remove this file"

_LARGEST_RECORD = 16 * 1024 * 1024
"""The most bytes of a record in a dump. The largest of PyPI has 2 MB."""
_LARGEST_DUMP = 8 * 1024 * 1024 * 1024
"""The most bytes of all records. Those of PyPI have 200 MB."""

Parsed = TypeVar("Parsed")


class _Query(NamedTuple):
    """A query of /v1/querybatch, and the package that it is about."""

    name: str
    body: dict[str, Any]


class OsvApi:
    """OSV's HTTP API (see ports.Advisories). ``cache`` keeps records, each under the time when it last changed."""

    def __init__(self, http: Http, base: str, cache: Cache, progress: Progress) -> None:
        self.source = redacted(base)
        self._http = http
        self._base = base.rstrip("/")
        self._cache = cache
        self._progress = progress
        self._known: dict[str, Advisory] = {}

    def of_releases(self, releases: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[Advisory]]:
        """See ports.Advisories. One query a release, many in one request.

        Raises:
            ToolFailed: OSV cannot be reached, refuses access, or gives an incomplete answer.
        """
        return self._query(
            [_Query(name, {"package": _package(name), "version": version}) for name, version in releases]
        )

    def of_packages(self, names: Sequence[str]) -> Mapping[str, Sequence[Advisory]]:
        """As `of_releases`, for all releases.

        Raises:
            ToolFailed: as `of_releases`.
        """
        return self._query([_Query(name, {"package": _package(name)}) for name in names])

    def _query(self, queries: Sequence[_Query]) -> Mapping[str, Sequence[Advisory]]:
        """The answers of OSV contain only ids; the records are read one by one."""
        modified_by_id: dict[str, dict[str, str]] = {query.name: {} for query in queries}
        for first in range(0, len(queries), _BATCH):
            self._progress.step(f"querying OSV for {counted(len(queries), 'package')}")
            self._query_batch(queries[first : first + _BATCH], modified_by_id)
        listed: dict[str, str] = {}
        for modified in modified_by_id.values():
            listed.update(modified)
        missing = [row for row in sorted(listed.items()) if row[0] not in self._known]
        self._read_records(missing)
        found = {}
        for name, modified in modified_by_id.items():
            # Sorted: the order of an answer may change, and the output must not.
            found[name] = tuple(self._known[identifier] for identifier in sorted(modified))
        return found

    def _query_batch(self, queries: Sequence[_Query], found: Mapping[str, dict[str, str]]) -> None:
        """Add the ids of one batch, with all its pages, to ``found``."""
        pending = list(queries)
        for _ in range(_PAGES):
            if not pending:
                return
            answer = self._http.post(f"{self._base}/v1/querybatch", {"queries": [query.body for query in pending]})
            pages = self._parse(answer, partial(parse_batch, count=len(pending)))
            further = []
            for query, page in zip(pending, pages, strict=True):
                found[query.name].update(page.found)
                if page.next is not None:
                    further.append(_Query(query.name, {**query.body, "page_token": page.next}))
            pending = further
        raise ToolFailed(f"{self.source} has more than {_PAGES} pages for {pending[0].name}", hint="try again later")

    def _read_records(self, missing: Sequence[tuple[str, str]]) -> None:
        if missing:
            self._progress.step(f"reading {counted(len(missing), 'advisory', 'advisories')}")
        records = Threads(_THREADS).each(lambda row: self._record(*row), missing)
        for (identifier, _), record in zip(missing, records, strict=True):
            self._known[identifier] = record

    def _record(self, identifier: str, modified: str) -> Advisory:
        url = f"{self._base}/v1/vulns/{quote(identifier, safe='')}"
        key = hashlib.sha256(f"{url} {modified}".encode()).hexdigest()
        # Without a time of change, an old record would look current.
        cached = self._cached(key, identifier) if modified else None
        if cached is not None:
            return cached
        answer = self._http.get(url, accept="application/json")
        advisory = self._parse(answer, lambda document: _checked(parse_advisory(document), identifier))
        # The record may have changed since the query: then it would be under a wrong key.
        if modified and read_json(answer.body).get("modified") == modified:
            self._keep(key, answer.body)
        return advisory

    def _cached(self, key: str, identifier: str) -> Advisory | None:
        text = self._cache.recall(key)
        if text is None:
            return None
        try:
            return _checked(parse_advisory(read_json(text.encode())), identifier)
        except ValueError:
            return None  # a damaged cache only costs time

    def _keep(self, key: str, body: bytes) -> None:
        try:
            self._cache.keep(key, body.decode())
        except UnicodeDecodeError:
            return  # JSON may be UTF-16; the cache keeps UTF-8 only

    def _parse(self, answer: Response, parse: Callable[[Any], Parsed]) -> Parsed:
        where = redacted(answer.url)
        if answer.status != 200:
            hint = "check that this is the URL of OSV's API; try again later, or use a dump: --database PATH"
            raise ToolFailed(f"{where} answers HTTP {answer.status}", hint=hint)
        try:
            return parse(read_json(answer.body))
        except ValueError as error:
            raise ToolFailed(
                f"unexpected answer from {where}",
                reason=str(error),
                hint="no package was audited: try again later, or use a dump: --database PATH",
            ) from error


def _package(name: str) -> dict[str, str]:
    return {"name": name, "ecosystem": ECOSYSTEM}


def _checked(advisory: Advisory, identifier: str) -> Advisory:
    if advisory.id != identifier:
        raise ValueError(f"requested {identifier}, got {advisory.id}")
    return advisory


class _Record(NamedTuple):
    """A record of a dump: where it is, and its JSON. It is parsed only if its package is audited."""

    place: str
    document: object


class OsvDump:
    """Records in a folder, or in a zip such as OSV's all.zip of PyPI (see ports.Advisories)."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self.source = str(path)
        self._path = path
        self._progress = progress
        self._records: dict[str, list[_Record]] | None = None

    def of_releases(self, releases: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[Advisory]]:
        """All records of these packages.

        Raises:
            BadInput: the dump does not exist, it contains no record of PyPI, or a file in it is not a record.
        """
        return self.of_packages([name for name, _ in releases])

    def of_packages(self, names: Sequence[str]) -> Mapping[str, Sequence[Advisory]]:
        """As `of_releases`.

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
            found[name] = tuple(_parsed(records, faults))
        _raise_if_any(faults)
        return found

    def _load(self) -> dict[str, list[_Record]]:
        found: dict[str, list[_Record]] = {}
        faults: list[Fault] = []
        for place, data in self._files(faults):
            try:
                document = read_json(data)
                names = packages_of(document)
            except ValueError as error:
                faults.append(_invalid_record(place, error))
                continue
            for name in names:
                found.setdefault(name, []).append(_Record(place, document))
        _raise_if_any(faults)
        # A dump of another ecosystem would report every package as safe.
        if not found:
            hint = "expected a folder of records, or the all.zip that OSV publishes for PyPI"
            raise BadInput("it contains no advisory of PyPI", place=Place(self.source), hint=hint)
        return found

    def _files(self, faults: list[Fault]) -> Iterator[tuple[str, bytes]]:
        if self._path.is_dir():
            yield from self._files_in_folder(faults)
            return
        try:
            yield from self._files_in_zip()
        except OSError as error:
            hint = "expected a folder of OSV's records, or a zip of them"
            raise BadInput(_unreadable(error), place=Place(self.source), hint=hint) from error

    def _files_in_folder(self, faults: list[Fault]) -> Iterator[tuple[str, bytes]]:
        for file in sorted(file for file in self._path.rglob("*.json") if not file.is_dir()):
            try:
                yield str(file), _content(file)
            except OSError as error:
                faults.append(Fault(_unreadable(error), place=Place(str(file)), hint=_HINT))

    def _files_in_zip(self) -> Iterator[tuple[str, bytes]]:
        total = 0
        try:
            with self._path.open("rb") as stream, open_zip(stream) as archive:
                for name in sorted(name for name in archive.namelist() if name.endswith(".json")):
                    data = read_member(archive, name, _LARGEST_RECORD)
                    total += len(data)
                    if total > _LARGEST_DUMP:
                        raise BadArchive(f"it unpacks to more than {_LARGEST_DUMP} bytes")
                    yield f"{self._path}/{name}", data
        except BadArchive as error:
            hint = "download it again, or name a folder"
            raise BadInput(f"not a complete zip file: {error}", place=Place(self.source), hint=hint) from error


def _parsed(records: Iterable[_Record], faults: list[Fault]) -> Iterator[Advisory]:
    for record in records:
        try:
            yield parse_advisory(record.document)
        except ValueError as error:
            faults.append(_invalid_record(record.place, error))


def _invalid_record(place: str, error: ValueError) -> Fault:
    return Fault(f"not a record of OSV: {error}", place=Place(place), hint=_HINT)


def _content(file: Path) -> bytes:
    """The bytes of a record.

    Raises:
        OSError: it cannot be read, or is not a regular file of a permitted size.
    """
    # A FIFO has no end, and opening one would wait for a writer.
    if not file.is_file():
        raise OSError(errno.EINVAL, "not a regular file")
    if file.stat().st_size > _LARGEST_RECORD:
        raise OSError(errno.EFBIG, f"it has more than {_LARGEST_RECORD} bytes")
    return file.read_bytes()


def _unreadable(error: OSError) -> str:
    return f"it cannot be read: {error.strerror or error}"


def _raise_if_any(faults: list[Fault]) -> None:
    # Every file of a wrong folder is a fault.
    if faults:
        raise BadInput.of(faults[:_SHOWN_FAULTS])
