"""Parse records and answers of OSV (ossf.github.io/osv-schema, google.github.io/osv.dev/api).

Only the fields that an audit needs are read, and those strictly: half a record would give a wrong verdict, so anything
that does not follow the format is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from packaging.utils import canonicalize_name

from lockgen.audit.advisory_model import Advisory, Affected, Event
from lockgen.audit.severity import severity
from lockgen.core.documents import parse_json
from lockgen.core.words import counted

ECOSYSTEM = "PyPI"

_Kind = Literal["introduced", "fixed", "last_affected", "limit"]
_KINDS: tuple[_Kind, ...] = get_args(_Kind)
_RELEASE_RANGES = ("ECOSYSTEM", "SEMVER")
_SUMMARY = 300
"""The most characters of a summary."""

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer: the names of advisories, each with when it last changed, and a token for the next page."""

    found: Mapping[str, str]
    next: str | None


def read_json(data: bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return parse_json(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def packages_of(document: object) -> set[str]:
    """The PyPI packages (canonical) in a record; empty for a record of other ecosystems.

    Raises:
        ValueError: it is not a record.
    """
    record = _table(document, "the record")
    return {_name(entry) for entry in _entries(record) if _is_pypi(entry)}


def parse_advisory(document: object) -> Advisory:
    """Parse one record.

    Raises:
        ValueError: it does not follow OSV's format.
    """
    record = _table(document, "the record")
    entries = [entry for entry in _entries(record) if _is_pypi(entry)]
    affected = tuple(_affected(entry) for entry in entries)
    score, level = _severity(record, entries)
    aliases = [_identifier(alias, "aliases") for alias in _list(record.get("aliases"), "aliases")]
    return Advisory(
        id=_identifier(record.get("id"), "id"),
        aliases=tuple(aliases),
        summary=_summary(record),
        affected=affected,
        score=score,
        level=level,
        withdrawn=bool(record.get("withdrawn")),
    )


def parse_batch(document: object, count: int) -> list[Page]:
    """Parse the answer of /v1/querybatch to ``count`` queries, in their order.

    Raises:
        ValueError: it is something else, or incomplete.
    """
    results = _table(document, "the answer").get("results")
    if not isinstance(results, list):
        raise ValueError(f"no results for {counted(count, 'question')}")
    if len(results) != count:
        raise ValueError(f"{counted(len(results), 'result')} for {counted(count, 'question')}")
    # An empty result is null or an empty object.
    return [_page(_table(result or {}, "a result")) for result in results]


def _page(result: Table) -> Page:
    found: dict[str, str] = {}
    for entry in _list(result.get("vulns"), "vulns"):
        row = _table(entry, "vulns")
        identifier = _identifier(row.get("id"), "id")
        found[identifier] = _text(row.get("modified", ""), "modified")
    token = result.get("next_page_token")
    return Page(found, _text(token, "next_page_token") if token else None)


def _entries(record: Table) -> list[Table]:
    return [_table(entry, "affected") for entry in _list(record.get("affected"), "affected")]


def _is_pypi(entry: Table) -> bool:
    package = entry.get("package")
    if not isinstance(package, dict):
        return False
    # An ecosystem may have a suffix, as in "Debian:12".
    ecosystem = str(package.get("ecosystem", "")).partition(":")[0]
    return ecosystem == ECOSYSTEM


def _name(entry: Table) -> str:
    return str(canonicalize_name(_identifier(entry["package"].get("name"), "package.name")))


def _affected(entry: Table) -> Affected:
    versions = [_identifier(text, "versions") for text in _list(entry.get("versions"), "versions")]
    ranges: list[tuple[Event, ...]] = []
    names_commits = False
    for each in _list(entry.get("ranges"), "ranges"):
        table = _table(each, "ranges")
        kind = table.get("type")
        if kind in _RELEASE_RANGES:
            ranges.append(_events(table))
        elif kind == "GIT":
            names_commits = True
    # A range without events means "only commits are named", as opposed to "nothing is named".
    if not ranges and names_commits:
        ranges.append(())
    return Affected(name=_name(entry), versions=tuple(versions), ranges=tuple(ranges))


def _events(each: Table) -> tuple[Event, ...]:
    events = []
    for entry in _list(each.get("events"), "events"):
        event = _table(entry, "events")
        events += [Event(kind, _identifier(event[kind], f"events.{kind}")) for kind in _KINDS if kind in event]
    if not any(event.kind == "introduced" for event in events):
        raise ValueError("a range without `introduced`")
    return tuple(events)


def _severity(record: Table, entries: Iterable[Table]) -> tuple[float | None, str]:
    """Score and level. OSV allows them in the record and in each of its ``entries``."""
    vectors: list[str] = []
    ratings = []
    for part in (record, *entries):
        vectors += _vectors(part)
        ratings.append(_rating(part))
    first = next((rating for rating in ratings if rating), None)
    return severity(vectors, first)


def _vectors(part: Table) -> list[str]:
    rows = [_table(entry, "severity") for entry in _list(part.get("severity"), "severity")]
    return [_text(row.get("score", ""), "severity.score") for row in rows]


def _rating(part: Table) -> str | None:
    for key in ("database_specific", "ecosystem_specific"):
        specific = part.get(key)
        # The contents are up to each database, so another shape is not an error.
        if isinstance(specific, dict) and isinstance(specific.get("severity"), str):
            return str(specific["severity"])
    return None


def _summary(record: Table) -> str:
    details = _text(record.get("details", ""), "details")
    summary = _text(record.get("summary", ""), "summary") or details
    return " ".join(summary.split())[:_SUMMARY]


def _table(value: object, what: str) -> Table:
    if not isinstance(value, dict):
        raise ValueError(f"{what}: not an object")
    return value


def _list(value: object, what: str) -> list[Any]:
    # Optional fields may be null.
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{what}: not an array")
    return value


def _text(value: object, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{what}: not a string")
    return value


def _identifier(value: object, what: str) -> str:
    """A nonempty string that may be printed: control characters could forge lines of the output."""
    text = _text(value, what)
    if not text or not text.isprintable():
        raise ValueError(f"{what}: missing, or not plain text")
    return text
