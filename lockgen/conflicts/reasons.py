"""Short reasons for conflicts, extracted from the explanation of a resolver."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier
from packaging.utils import canonicalize_name

from lockgen.conflicts.constraints import named_in
from lockgen.conflicts.model import Constraint
from lockgen.core.parsing import parse_specifiers
from lockgen.core.words import enumerated

_LONGEST = 300
_MOST_NEEDS = 3

# "whisperx==3.4.3 depends on torch>=2.5.1", "all of: a>=2,<=3 depends on b", at the end of a line or before a comma.
_NEED = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*?)(?:\[[\w,.-]*\])?(?P<range>[<>=!~][\w.*+!<>=~,]*)?\s+depends?\s+on\s+"
    r"(?P<other>[A-Za-z0-9][\w.-]*?)(?:\[[\w,.-]*\])?(?P<bound>[<>=!~][\w.*+!<>=~,]*?)?(?=[,.;]?(?:\s|$))"
)
_END = r"and the family depends on (?P=name)\S*, we can conclude that your requirements are unsatisfiable\."
_ALL = (
    r"and only (?P=name)\S* is available, we can conclude that all versions of (?P=name) cannot be used\. And because"
    r" the family depends on (?P=name)\S*, we can conclude that your requirements are unsatisfiable\."
)
_LACKING = (
    (rf"Because (?P<name>[\w.-]+) was not found in the package registry {_END}", "no such package: {name}"),
    (
        rf"Because there (?:is|are) no versions? of (?P<name>[\w.-]+)==(?P<version>\S+) {_END}",
        "there is no {name} {version}",
    ),
    (
        rf"Because (?P<name>[\w.-]+)==(?P<version>\S+) has no (?:usable wheels|wheels with a matching .*) {_END}",
        "{name} {version} has no wheel for the target",
    ),
    (
        rf"Because (?P<name>[\w.-]+)(?:[=<>]+\S+)? has no (?:usable wheels|wheels with a matching .*?) {_ALL}",
        "{name} has no wheel for the target",
    ),
    (
        r"Because only (?P<name>[\w.-]+?)[=<>]+\S+ is available and the family depends on"
        r" (?P=name)(?P<bound>[=<>!~]\S+?), we can conclude that your requirements are unsatisfiable\.",
        "no version of {name} is {bound}",
    ),
)
"""uv's explanations of what an index lacks, and lockgen's words for them."""
_LOCAL_VERSION = re.compile(r"\+[\w.]+")


@dataclass(frozen=True, slots=True)
class Need:
    """A requirement that is not met: whisperx 3.4.3 requires torch>=2.5.1, but torch is 2.4.1."""

    name: str
    version: str
    other: str
    bound: str
    selected: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} requires {self.other}{self.bound}, but {self.other} is {self.selected}"


def short_reason(constraints: Collection[Constraint], words: str, freed: Collection[str] = ()) -> str:
    """One line for a conflict of ``constraints``. ``words`` is the resolver's explanation.

    It lists the unmet requirements that the resolver names; without any, the packages among ``freed`` (those without a
    constraint) that no version is compatible for; else the explanation itself, cut to 300 characters.
    """
    found = unmet(constraints, words)
    if found:
        return "; ".join(str(need) for need in found[:_MOST_NEEDS])
    explanation = _on_one_line(words)
    lacking = _lacking(explanation)
    if lacking:
        return lacking
    fixed = sorted(constraint.text for constraint in constraints)
    if not fixed:
        return _cut(explanation)
    unbounded = sorted(named_in(words).intersection(freed))
    if unbounded:
        return _cut(f"no version of {enumerated(unbounded)} is compatible with {enumerated(fixed)}")
    return _cut(f"{' with '.join(fixed)}: {explanation}")


def _lacking(explanation: str) -> str:
    """What the index lacks, if ``explanation`` is only about that; else ""."""
    for pattern, words in _LACKING:
        match = re.fullmatch(pattern, explanation)
        if match:
            return words.format(**match.groupdict())
    return ""


def _on_one_line(words: str) -> str:
    # uv wraps its explanation to the width of the terminal.
    return " ".join(words.split())


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 1]}…"


def through(name: str, version: str, other: str, words: str) -> str:
    """The bound on ``other`` that the resolver concludes for ``name`` ``version``; "" if it concludes none.

    It reads "transformers==4.35.0 depends on huggingface-hub>=0.16.4,<0.18" and
    "whisperx==3.7.2 depends on one of: a>=1 a>=2".
    """
    bound = re.escape(other) + r"([<>=!~][^\s]*?)"
    bounds = rf"(?P<bounds>(?:{bound},? )*{bound})\.?(?: And|$)"
    subject = rf"(?:all versions of )?{re.escape(name)}(?P<range>[<>=!~]\S*)?"
    conclusion = rf"conclude that {subject} depends? on (?:one of: )?{bounds}"
    for found in re.finditer(conclusion, _on_one_line(words)):
        # The explanation can have conclusions about other versions of the same package.
        if not _is_met(found["range"] or "", version):
            continue
        alternatives = re.findall(rf"{bound}(?=\s|$)", found["bounds"])
        return " or ".join(alternative.rstrip(",.") for alternative in alternatives)
    return ""


def unmet(constraints: Collection[Constraint], words: str) -> list[Need]:
    """The requirements in ``words`` that the exact versions among ``constraints`` do not meet, each once."""
    exact: dict[str, str] = {}
    for constraint in constraints:
        if constraint.version is not None:
            exact[constraint.name] = constraint.version
    return list(dict.fromkeys(_unmet(exact, words)))


def _unmet(exact: Mapping[str, str], words: str) -> Iterable[Need]:
    for match in _NEED.finditer(_on_one_line(words)):
        name = str(canonicalize_name(match["name"]))
        other = str(canonicalize_name(match["other"]))
        # A package that requires its own extra names itself: this explains nothing.
        if name == other or other not in exact:
            continue
        version = _version(match["range"] or "", exact.get(name))
        if version is None:
            continue
        bound = (match["bound"] or "").rstrip(",.")
        if not _is_met(bound, exact[other]):
            yield Need(name, version, other, bound, exact[other])


def _version(versions: str, selected: str | None) -> str | None:
    """The version that a range of the explanation is about: the selected one, or the only one in the range."""
    if selected is not None:
        return selected if _is_met(versions, selected) else None
    only = versions.removeprefix("==")
    if not versions.startswith("==") or set(only) & set("*,<>="):
        return None
    return only


def _is_met(bound: str, version: str) -> bool:
    """Whether ``version`` is within ``bound``. The local part of a bound is ignored; an invalid bound counts as met."""
    # uv writes bounds such as "<=2.4.1+cu121", which PEP 440 does not allow.
    public = _LOCAL_VERSION.sub("", bound)
    try:
        return parse_specifiers(public).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True
