"""The shortest way to say why packages cannot hold together: the needs that a resolver's derivation names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from lockgen.conflicts.constraints import named_in
from lockgen.conflicts.model import Constraint

_LONGEST = 300
# "whisperx==3.4.3 depends on torch>=2.5.1", "all of: a>=2,<=3 depends on b", at the end of a line or before a comma.
_NEED = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*?)(?:\[[\w,.-]*\])?(?P<range>[<>=!~][\w.*+!<>=~,]*)?\s+depends?\s+on\s+"
    r"(?P<other>[A-Za-z0-9][\w.-]*?)(?:\[[\w,.-]*\])?(?P<bound>[<>=!~][\w.*+!<>=~,]*?)?(?=[,.;]?(?:\s|$))"
)
_NO_WHEEL = re.compile(
    r"Because (?P<name>[\w.-]+)==(?P<version>\S+) has no usable wheels and the family depends on "
    r"(?P=name)(==(?P=version))?, we can conclude that your requirements are unsatisfiable\."
)


@dataclass(frozen=True, slots=True)
class Need:
    """One version's need that what is held does not meet: whisperx 3.4.3 needs torch>=2.5.1, and torch is 2.4.1."""

    name: str
    version: str
    other: str
    bound: str
    held: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} needs {self.other}{self.bound}, and {self.other} is {self.held}"


def short_reason(elements: Collection[Constraint], words: str, freed: Collection[str] = ()) -> str:
    """One line: the unmet needs that the resolver names; else what goes with no version of the ``freed`` packages."""
    if found := unmet(elements, words):
        return "; ".join(map(str, found[:3]))
    said = " ".join(words.split())
    if lone := _NO_WHEEL.fullmatch(said):
        return f"no wheel of {lone['name']} {lone['version']} runs there"
    held = " with ".join(sorted(element.text for element in elements))
    open_ones = sorted(freed & named_in(words)) if (freed := frozenset(freed)) else []
    if open_ones and held:
        return _cut(f"no version of {' and '.join(open_ones)} goes with {held}")
    return _cut(f"{held}: {said}" if held else said)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def through(name: str, version: str, other: str, words: str) -> str:
    """The bound on ``other`` that ``name`` ``version`` comes to, as a derivation concludes; "" if it says none.

    "transformers==4.35.0 depends on huggingface-hub>=0.16.4,<0.18", "whisperx==3.7.2 depends on one of: a>=1 a>=2".
    """
    said = " ".join(words.split())
    bound = re.escape(other) + r"([<>=!~][^\s]*?)"
    bounds = rf"(?P<bounds>(?:{bound},? )*{bound})\.?(?: And|$)"
    subject = rf"(?:all versions of )?{re.escape(name)}(?P<range>[<>=!~]\S*)?"
    for found in re.finditer(rf"conclude that {subject} depends? on (?:one of: )?{bounds}", said):
        if _met(found["range"] or "", version):
            return " or ".join(part.rstrip(",.") for part in re.findall(rf"{bound}(?=\s|$)", found["bounds"]))
    return ""


def unmet(elements: Collection[Constraint], words: str) -> list[Need]:
    """The needs in ``words`` that the exact versions among ``elements`` do not meet."""
    exact = {element.name: version for element in elements if (version := element.version) is not None}
    return list(dict.fromkeys(_needs(exact, words)))


def _needs(exact: dict[str, str], words: str) -> Iterable[Need]:
    for match in _NEED.finditer(" ".join(words.split())):
        name, other = str(canonicalize_name(match["name"])), str(canonicalize_name(match["other"]))
        version = _version(match["range"] or "", exact.get(name))
        bound = (match["bound"] or "").rstrip(",.")
        if name != other and version is not None and other in exact and not _met(bound, exact[other]):
            yield Need(name, version, other, bound, exact[other])


def _version(versions: str, held: str | None) -> str | None:
    """The one version that is meant: that which is held, where it is among ``versions``, or the only one of these."""
    if held is not None:
        return held if _met(versions, held) else None
    only = versions.removeprefix("==")
    return only if versions.startswith("==") and not set(only) & set("*,<>=") else None


def _met(bound: str, version: str) -> bool:
    """Whether ``version`` lies within ``bound``; a bound's local part, which few may have, does not count."""
    try:
        return SpecifierSet(re.sub(r"\+[\w.]+", "", bound)).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True
