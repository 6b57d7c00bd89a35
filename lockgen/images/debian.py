"""Why a Debian package is installed: which ones come with those that somebody asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What `dpkg-query --show` prints for `dependents`: a package, what it provides, what it depends on.
FORMAT = "${Package}\\t${Provides}\\t${Pre-Depends}, ${Depends}\\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def dependents(listed: str, asked: Iterable[str]) -> frozenset[str]:
    """The installed packages that are in ``asked``, written as in `apt`, or that one of those depends on."""
    needs: dict[str, list[str]] = {}
    provided: dict[str, list[str]] = {}
    for line in listed.splitlines():
        package, provides, depends = line.split("\t")
        needs[package] = _names(depends)
        for name in [package, *_names(provides)]:
            provided.setdefault(name, []).append(package)
    found: set[str] = set()
    pending = [re.split(r"[:=]", name)[0] for name in asked]
    while pending:
        for package in provided.get(pending.pop(), ()):
            if package not in found:
                found.add(package)
                pending += needs[package]
    return frozenset(found)


def owners(listed: str) -> dict[str, str]:
    """Path to package, of what `dpkg-query --search` prints; diversions have none."""
    found = {}
    for line in listed.splitlines():
        packages, colon, path = line.partition(": ")
        if colon and "diversion " not in packages:
            found[path] = re.split(r"[:,]", packages)[0]
    return found


def _names(relations: str) -> list[str]:
    """The names in `a (>= 1), b | c:any`; of alternatives all, as only those that are installed count."""
    return [match[0] for part in re.split(r"[,|]", relations) if (match := _NAME.match(part.strip()))]
