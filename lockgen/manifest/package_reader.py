"""Names of packages, pins and requirements in versions.toml."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import DeclaredRequirement, Pin
from lockgen.core.parsing import parse_requirement, parse_version
from lockgen.manifest.faults import FaultCollector
from lockgen.manifest.tables import PinValue

_NO_INDEX_HINT = "lockgen locks packages of an index by version and hash; publish it to your own index"
_REQUIREMENT_HINT = 'as in "numpy", "numpy>=1.26", "x[extra]"'
_PATH_PREFIXES = (".", "/", "git+", "-e", "file:")


class PackageReader:
    """Reads packages in any table; every fault goes to ``faults``."""

    def __init__(self, faults: FaultCollector) -> None:
        self._add = faults.add
        self._add_duplicate = faults.add_duplicate
        # The images of a family have many requirements in common, and parsing is slow.
        self._parsed: dict[str, Requirement] = {}

    def name(self, text: str, path: KeyPath) -> str | None:
        """The canonical name (PEP 503); None if ``text`` is not a name."""
        try:
            return canonicalize_name(text, validate=True)
        except InvalidName:
            self._add(path, f"{text!r} is not a package name", "letters, digits and `._-` (PEP 508)")
            return None

    def names(self, texts: Iterable[str], path: KeyPath) -> list[str]:
        """The canonical names in an array, each once."""
        spellings: dict[str, str] = {}
        for position, text in enumerate(texts):
            here = (*path, position)
            name = self.name(text, here)
            if name is None:
                continue
            if name in spellings:
                self._add_duplicate(here, text, spellings[name])
            else:
                spellings[name] = text
        return list(spellings)

    def pins(self, table: dict[str, PinValue], path: KeyPath) -> dict[str, Pin]:
        """The pins of a table by canonical name."""
        pins: dict[str, Pin] = {}
        spellings: dict[str, str] = {}
        for text, value in table.items():
            here = (*path, text)
            name = self.name(text, here)
            if isinstance(value, str):
                written, is_held = value, False
            else:
                written, is_held = value.version, value.held
            version = self._version(text, written, here)
            if name is None or version is None:
                continue
            if name in pins:
                self._add_duplicate(here, text, spellings[name])
            pins[name] = Pin(version, here, is_held)
            spellings[name] = text
        return pins

    def _version(self, name: str, text: str, path: KeyPath) -> Version | None:
        # `Version` accepts spaces around a version, but the edits of `upgrade` and `update` need the exact text.
        version = _parse_version(text) if text == text.strip() else None
        if version is not None:
            return version
        bare = text.lstrip("=~<>! ").rstrip(".*")
        if _parse_version(bare) is not None:
            hint = f'write {name} = "{bare}"'
        else:
            hint = 'write all of it, as in "2.5.1+cu121"'
        self._add(path, f"the pin {text!r} is not an exact version", f"{hint}; ranges belong in `packages`")
        return None

    def requirements(self, texts: Iterable[str], path: KeyPath) -> tuple[DeclaredRequirement, ...]:
        """The requirements in an array, one per package."""
        found: dict[str, DeclaredRequirement] = {}
        for position, text in enumerate(texts):
            here = (*path, position)
            requirement = self._requirement(text, here)
            if requirement is None:
                continue
            declared = DeclaredRequirement(requirement, here)
            if declared.name in found:
                self._add_duplicate(here, text, str(found[declared.name].requirement))
            found[declared.name] = declared
        return tuple(found.values())

    def _requirement(self, text: str, path: KeyPath) -> Requirement | None:
        if _is_url_or_path(text):
            self._refuse_url(text, path)
            return None
        known = self._parsed.get(text)
        if known is not None:
            return known
        try:
            requirement = parse_requirement(text)
            canonicalize_name(requirement.name, validate=True)
        except (InvalidRequirement, InvalidName) as error:
            reason = str(error).splitlines()[0]
            self._add(path, f"{text!r} is not a requirement: {reason}", _REQUIREMENT_HINT)
            return None
        # `name@file:/x` passes the quick test above, but packaging reads a URL.
        if requirement.url is not None:
            self._refuse_url(text, path)
            return None
        self._parsed[text] = requirement
        return requirement

    def _refuse_url(self, text: str, path: KeyPath) -> None:
        self._add(path, f"{text!r}: a requirement by URL or path cannot be locked", _NO_INDEX_HINT)


def _is_url_or_path(text: str) -> bool:
    return "://" in text or " @" in text or text.startswith(_PATH_PREFIXES)


def _parse_version(text: str) -> Version | None:
    try:
        return parse_version(text)
    except InvalidVersion:
        return None
