"""Convert CVSS vectors of versions 2, 3 and 4 to scores and levels."""

from __future__ import annotations

from collections.abc import Iterable

from lockgen.audit.advisory_model import LEVELS, UNKNOWN

# The ratings of databases that give no vector (GitHub's advisories: LOW, MODERATE, HIGH, CRITICAL).
_RATINGS = {"low": "low", "moderate": "medium", "medium": "medium", "high": "high", "critical": "critical"}
# CVSS v3.1, section 5, and v4.0, section 6: each level of LEVELS after the first ends below this score.
_ENDS = (4, 7, 9)


def severity(vectors: Iterable[str], rating: str | None) -> tuple[float | None, str]:
    """The highest base score of ``vectors`` and its level; without a score, the level of ``rating``.

    An invalid vector is ignored.
    """
    scores = [score for score in map(_score, vectors) if score is not None]
    if scores:
        highest = max(scores)
        return highest, level_of(highest)
    return None, _RATINGS.get((rating or "").strip().lower(), UNKNOWN)


def level_of(score: float) -> str:
    """The name that CVSS gives to a score."""
    if score == 0:
        return LEVELS[0]
    for level, end in zip(LEVELS[1:], _ENDS, strict=False):
        if score < end:
            return level
    return LEVELS[-1]


def _score(vector: str) -> float | None:
    # Few advisories are read per run, and the import takes longer than reading them.
    from cvss import CVSS2, CVSS3, CVSS4, CVSSError

    try:
        if vector.startswith("CVSS:4"):
            return float(CVSS4(vector).base_score)
        if vector.startswith("CVSS:3"):
            return float(CVSS3(vector).base_score)
        # Vectors of version 2 have no prefix.
        return float(CVSS2(vector).base_score)
    except (CVSSError, ValueError, TypeError, KeyError):
        return None
