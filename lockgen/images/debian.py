"""Find why a Debian package is installed: which packages come with the ones that `apt` in versions.toml lists."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The format for `dpkg-query --show` that `with_dependencies` parses: a package, what it provides, what it depends on.
FORMAT = "${Package}\\t${Provides}\\t${Pre-Depends}, ${Depends}\\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def with_dependencies(listed: str, requested: Iterable[str]) -> frozenset[str]:
    """The installed packages that are in ``requested`` or that one of those depends on.

    ``listed`` is the output of dpkg-query; ``requested`` is written as in `apt`, with or without a version.
    """
    dependencies: dict[str, list[str]] = {}
    providers: dict[str, list[str]] = {}
    for line in listed.splitlines():
        package, provides, depends = line.split("\t")
        dependencies[package] = _names(depends)
        for name in [package, *_names(provides)]:
            providers.setdefault(name, []).append(package)
    found: set[str] = set()
    pending = [_without_version(name) for name in requested]
    while pending:
        for package in providers.get(pending.pop(), ()):
            # The test ends the walk: Debian packages may depend on one another in a circle.
            if package not in found:
                found.add(package)
                pending += dependencies[package]
    return frozenset(found)


def parse_owners(listed: str) -> dict[str, str]:
    """Parse what `dpkg-query --search` prints into path to package; diversions have no package."""
    found = {}
    for line in listed.splitlines():
        packages, colon, path = line.partition(": ")
        if colon and "diversion " not in packages:
            # The first of "libc6:amd64, libc6:i386", without its architecture.
            found[path] = re.split(r"[:,]", packages)[0]
    return found


def _without_version(name: str) -> str:
    """`gcc=4:12.2.0` and `gcc:amd64` both name `gcc`."""
    return re.split(r"[:=]", name)[0]


def _names(relations: str) -> list[str]:
    """The names in `a (>= 1), b | c:any`, including all alternatives: the caller looks up installed packages only."""
    matches = [_NAME.match(part.strip()) for part in re.split(r"[,|]", relations)]
    return [match[0] for match in matches if match is not None]
