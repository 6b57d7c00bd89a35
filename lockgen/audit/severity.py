"""CVSS vectors to scores, by the library of the standard's own examples; versions 2, 3 and 4."""

from __future__ import annotations

from collections.abc import Iterable

from lockgen.audit.advisory import LEVELS, UNKNOWN

# What databases say where they give no vector (GitHub's advisories: LOW, MODERATE, HIGH, CRITICAL).
_WORDS = {"low": "low", "moderate": "medium", "medium": "medium", "high": "high", "critical": "critical"}


def severity(vectors: Iterable[str], word: str | None) -> tuple[float | None, str]:
    """The highest base score of ``vectors`` and its level; without a score the level that ``word`` says.

    A vector that is none says nothing.
    """
    scores = [score for vector in vectors if (score := _score(vector)) is not None]
    if scores:
        return max(scores), level_of(max(scores))
    return None, _WORDS.get((word or "").strip().lower(), UNKNOWN)


def level_of(score: float) -> str:
    """CVSS v3.1, section 5, and v4.0, section 6: the qualitative rating of a score."""
    if score == 0:
        return LEVELS[0]
    return LEVELS[1] if score < 4 else LEVELS[2] if score < 7 else LEVELS[3] if score < 9 else LEVELS[4]


def _score(vector: str) -> float | None:
    from cvss import CVSS2, CVSS3, CVSS4, CVSSError

    try:
        if vector.startswith("CVSS:4"):
            return float(CVSS4(vector).base_score)
        if vector.startswith("CVSS:3"):
            return float(CVSS3(vector).base_score)
        return float(CVSS2(vector).base_score)
    except (CVSSError, ValueError, TypeError, KeyError):
        return None
