"""Records and answers of OSV to values (ossf.github.io/osv-schema, google.github.io/osv.dev/api).

Only what a judgement needs is read, and that strictly: what is not as the format says is an error, as half a record
would be half a verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from packaging.utils import canonicalize_name

from lockgen.audit.advisory import Advisory, Affected, Event
from lockgen.audit.severity import severity

ECOSYSTEM = "PyPI"

_Kind = Literal["introduced", "fixed", "last_affected", "limit"]
_SUMMARY = 300


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to one question: names of advisories, when each last changed, and where the next page begins."""

    found: Mapping[str, str]
    next: str | None


def read_json(data: bytes) -> Any:
    """Raises ValueError where it is no JSON, or nested beyond reason."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None


def packages_of(document: object) -> set[str]:
    """The packages (canonical) of PyPI that a record speaks of; none where it is of another ecosystem.

    Raises:
        ValueError: it is no record.
    """
    return {_name(entry) for entry in _entries(_table(document, "the record")) if _is_ours(entry)}


def parse_advisory(document: object) -> Advisory:
    """One record.

    Raises:
        ValueError: it is not as OSV's format says.
    """
    record = _table(document, "the record")
    affected = [(entry, _affected(entry)) for entry in _entries(record) if _is_ours(entry)]
    vectors = [*_vectors(record), *(vector for entry, _ in affected for vector in _vectors(entry))]
    words = [_word(record), *(_word(entry) for entry, _ in affected)]
    score, level = severity(vectors, next((word for word in words if word), None))
    details = _text(record.get("details", ""), "details")
    summary = _text(record.get("summary", ""), "summary") or details
    return Advisory(
        id=_identifier(record.get("id"), "id"),
        aliases=tuple(_identifier(alias, "aliases") for alias in _list(record.get("aliases"), "aliases")),
        summary=" ".join(summary.split())[:_SUMMARY],
        affected=tuple(found for _, found in affected),
        score=score,
        level=level,
        withdrawn=bool(record.get("withdrawn")),
    )


def parse_batch(document: object, count: int) -> list[Page]:
    """The answer of /v1/querybatch to ``count`` questions, in their order.

    Raises:
        ValueError: it is something else, or not all of it.
    """
    results = _table(document, "the answer").get("results")
    if not isinstance(results, list) or len(results) != count:
        got = len(results) if isinstance(results, list) else "no"
        raise ValueError(f"{got} results for {count} questions")
    return [_page(_table(result or {}, "a result")) for result in results]


def _page(result: Mapping[str, Any]) -> Page:
    found: dict[str, str] = {}
    for entry in _list(result.get("vulns"), "vulns"):
        row = _table(entry, "vulns")
        found[_identifier(row.get("id"), "id")] = _text(row.get("modified", ""), "modified")
    token = result.get("next_page_token")
    return Page(found, _text(token, "next_page_token") if token else None)


def _entries(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [_table(entry, "affected") for entry in _list(record.get("affected"), "affected")]


def _is_ours(entry: Mapping[str, Any]) -> bool:
    package = entry.get("package")
    # "PyPI:…" would be a distribution of it, as in "Debian:12".
    return isinstance(package, dict) and str(package.get("ecosystem", "")).partition(":")[0] == ECOSYSTEM


def _name(entry: Mapping[str, Any]) -> str:
    return str(canonicalize_name(_identifier(entry["package"].get("name"), "package.name")))


def _affected(entry: Mapping[str, Any]) -> Affected:
    ranges = [_table(found, "ranges") for found in _list(entry.get("ranges"), "ranges")]
    return Affected(
        name=_name(entry),
        versions=tuple(_identifier(text, "versions") for text in _list(entry.get("versions"), "versions")),
        ranges=tuple(_events(found) for found in ranges if found.get("type") in ("ECOSYSTEM", "SEMVER"))
        or _commits(ranges),
    )


def _commits(ranges: Iterable[Mapping[str, Any]]) -> tuple[tuple[Event, ...], ...]:
    """A range of commits has no event of a release: it tells "only commits are named" from "nothing is named"."""
    return ((),) if any(found.get("type") == "GIT" for found in ranges) else ()


def _events(found: Mapping[str, Any]) -> tuple[Event, ...]:
    events = [_table(event, "events") for event in _list(found.get("events"), "events")]
    kinds: tuple[_Kind, ...] = get_args(_Kind)
    read = tuple(
        Event(kind, _identifier(event[kind], f"events.{kind}")) for event in events for kind in kinds if kind in event
    )
    if not any(event.kind == "introduced" for event in read):
        raise ValueError("a range without `introduced`")
    return read


def _vectors(part: Mapping[str, Any]) -> Iterable[str]:
    for entry in _list(part.get("severity"), "severity"):
        yield _text(_table(entry, "severity").get("score", ""), "severity.score")


def _word(part: Mapping[str, Any]) -> str | None:
    for key in ("database_specific", "ecosystem_specific"):
        said = part.get(key)
        if isinstance(said, dict) and isinstance(said.get("severity"), str):
            return str(said["severity"])
    return None


def _table(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what}: no object")
    return value


def _list(value: object, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{what}: no array")
    return value


def _text(value: object, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{what}: no text")
    return value


def _identifier(value: object, what: str) -> str:
    text = _text(value, what)
    if not text or not text.isprintable():
        raise ValueError(f"{what}: missing, or no plain text")
    return text
