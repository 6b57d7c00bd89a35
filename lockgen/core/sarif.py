"""Findings as SARIF 2.1.0, the format that code hosts show next to the lines of a pull request."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

Level = Literal["note", "warning", "error"]


@dataclass(frozen=True, slots=True)
class SarifRule:
    """The rule that a finding violates. ``score`` is a CVSS score, which code hosts sort by.

    ``help`` is a longer explanation; default: ``text``.
    """

    id: str
    text: str
    level: Level
    uri: str | None = None
    score: float | None = None
    help: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SarifResult:
    """One finding at a line of a file (from 1; None: the whole file). ``key`` stays the same while lines move.

    ``accepted`` is the reason why it is ignored, None if it is not.
    """

    rule: str
    message: str
    level: Level
    file: str
    line: int | None
    key: str
    accepted: str | None = None


def sarif(version: str, rules: Sequence[SarifRule], results: Sequence[SarifResult]) -> dict[str, Any]:
    """One run of lockgen ``version``; paths are relative to the project."""
    # Results refer to rules by position, so a rule may be listed only once.
    unique = list({rule.id: rule for rule in rules}.values())
    places = {rule.id: number for number, rule in enumerate(unique)}
    driver = {"name": "lockgen", "version": version, "rules": [_rule(rule) for rule in unique]}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(result, places[result.rule]) for result in results],
            }
        ],
    }


def _rule(rule: SarifRule) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": rule.id,
        "shortDescription": {"text": rule.text},
        # SARIF does not require these two, but GitHub's code scanning does.
        "fullDescription": {"text": rule.text},
        "help": {"text": rule.help or rule.text},
        "defaultConfiguration": {"level": rule.level},
    }
    properties: dict[str, Any] = {}
    if rule.uri is not None:
        row["helpUri"] = rule.uri
    if rule.score is not None:
        properties["security-severity"] = f"{rule.score:.1f}"
    if rule.tags:
        properties["tags"] = list(rule.tags)
    if properties:
        row["properties"] = properties
    return row


def _result(result: SarifResult, place: int) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(result.file), "uriBaseId": "%SRCROOT%"}}
    if result.line is not None:
        location["region"] = {"startLine": result.line}
    # Code hosts recognise a finding of an earlier run by this fingerprint, whatever its line is now.
    fingerprint = hashlib.sha256(result.key.encode()).hexdigest()[:32]
    row: dict[str, Any] = {
        "ruleId": result.rule,
        "ruleIndex": place,
        "level": result.level,
        "message": {"text": result.message},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"lockgen/v1": fingerprint},
    }
    if result.accepted is not None:
        row["suppressions"] = [{"kind": "external", "status": "accepted", "justification": result.accepted}]
    return row
