"""Find the versions that a package could move to: later releases that no advisory affects, lowest first.

torch's family moves as one, by the pair table, and stays on its accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import NamedTuple

from packaging.version import Version

from lockgen.audit.advisory_model import Advisory
from lockgen.audit.model import AffectedPackage
from lockgen.audit.vulnerabilities import is_free
from lockgen.core.accelerator import FAMILY
from lockgen.core.compat_axes import Pairs
from lockgen.core.lock import Lock
from lockgen.core.parsing import parse_version
from lockgen.core.resolution import Request
from lockgen.index.ports import Releases

WantedVersions = Mapping[str, str]
"""Package to the version that it moves to."""

_TORCH = FAMILY[0]


class Candidates(NamedTuple):
    """Upgrades, lowest first; if there are none, ``why``."""

    upgrades: list[WantedVersions]
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class CandidateSearch:
    """``advisories`` returns all advisories about a package that count."""

    releases: Releases
    pairs: Pairs
    lock: Lock
    advisories: Callable[[str], Sequence[Advisory]]

    def releases_of(self, name: str, request: Request) -> list[Version]:
        """The releases of a package that ``request`` may use, in order."""
        return sorted(map(parse_version, self.releases.usable(name, request)))

    def candidates(self, package: AffectedPackage, released: Sequence[Version], request: Request) -> Candidates:
        """The upgrades that get ``package`` away from all advisories; ``released`` are its releases."""
        locked = self.lock.by_variant[package.variants[0]]
        if package.name in FAMILY and _TORCH in locked:
            found = self._torch_candidates(package, request)
        else:
            newer = later(released, parse_version(package.version))
            free = self._free(package.name, newer)
            found = Candidates([{package.name: str(version)} for version in free])
        if found.upgrades or found.why:
            return found
        reason = self._none(package, released, request)
        return Candidates([], (reason,))

    def is_good(self, name: str, version: str) -> bool:
        """Whether no advisory that counts affects ``version``."""
        return is_free(name, parse_version(version), self.advisories(name))

    def _free(self, name: str, versions: Iterable[Version]) -> list[Version]:
        advisories = self.advisories(name)
        return [version for version in versions if is_free(name, version, advisories)]

    def _none(self, package: AffectedPackage, released: Sequence[Version], request: Request) -> str:
        """Why no upgrade was found: no later release, only affected ones, or only releases after the cut-off."""
        now = parse_version(package.version)
        index = request.routes.get(package.name)
        where = f"on index {index}" if index is not None else "that runs on the target"
        newer = later(released, now)
        reason = f"no later release {where}"
        if newer:
            reason = f"every later release {where} is affected, up to {newer[-1]}"
        cut_off = request.exclude_newer
        if cut_off is None:
            return reason
        day = cut_off.astimezone(UTC).date()
        # A release after the cut-off is worth naming: the user may move the cut-off.
        all_releases = self.releases_of(package.name, replace(request, exclude_newer=None))
        free = self._free(package.name, later(all_releases, now))
        if free:
            return f"{reason}; {free[0]} would fix it, but is newer than [family] exclude-newer ({day})"
        return f"{reason}, published before [family] exclude-newer ({day})"

    # -- torch's family ----------------------------------------------------------

    def _torch_candidates(self, package: AffectedPackage, request: Request) -> Candidates:
        locked = self.lock.by_variant[package.variants[0]]
        now = parse_version(locked[_TORCH].version)
        released = {name: self.releases_of(name, request) for name in FAMILY if name in locked}
        newer = [
            version for version in later(released[_TORCH], now) if self._is_same_accelerator(version, now, request)
        ]
        if not newer:
            return Candidates([], (_no_later_torch(now, request),))
        upgrades: list[WantedVersions] = []
        lacking: list[str] = []
        for version in newer:
            upgrade = self._matching_family(version, released)
            if isinstance(upgrade, str):
                lacking.append(upgrade)
            elif all(self.is_good(name, new) for name, new in upgrade.items()):
                upgrades.append(upgrade)
        if upgrades or lacking:
            return Candidates(upgrades, tuple(lacking))
        index = request.routes.get(_TORCH)
        where = f"on index {index}" if index is not None else "for the same accelerator"
        return Candidates([], (f"every later {_TORCH} {where} is affected, up to {newer[-1]}",))

    def _is_same_accelerator(self, version: Version, now: Version, request: Request) -> bool:
        """Whether ``version`` of torch keeps the accelerator.

        That is the local part of the version, or, for builds without one, what the pair table says.
        """
        if version.local != now.local:
            return False
        known = self.pairs.get(now.public)
        # An explicit index serves builds for one accelerator.
        if _TORCH in request.routes or known is None or known.accelerator is None:
            return True
        release = self.pairs.get(version.public)
        return release is not None and release.accelerator == known.accelerator

    def _matching_family(self, version: Version, released: Mapping[str, Sequence[Version]]) -> WantedVersions | str:
        """The family that matches ``version`` of torch, or why it is incomplete."""
        upgrade = {_TORCH: str(version)}
        release = self.pairs.get(version.public)
        for name in released:
            if name == _TORCH:
                continue
            member = release.members.get(name) if release is not None else None
            if member is None or member.version is None:
                return f"the pair table has no {name} for {_TORCH} {version}"
            public = parse_version(member.version).public
            fits = [each for each in released[name] if each.public == public and each.local == version.local]
            if not fits:
                return f"{name} {member.version} for {_TORCH} {version} is not available"
            upgrade[name] = str(fits[-1])
        return upgrade


def _no_later_torch(now: Version, request: Request) -> str:
    index = request.routes.get(_TORCH)
    if index is not None:
        return f"{_TORCH} {now} is the last on index {index}; another accelerator needs another variant"
    return f"the default index has no later {_TORCH} known to be for the same accelerator"


def later(released: Iterable[Version], now: Version) -> list[Version]:
    """The releases above ``now``; pre-releases only if ``now`` is one, and no other builds of the same release."""
    newer = [version for version in released if version > now and version.public != now.public]
    if now.is_prerelease:
        return newer
    return [version for version in newer if not version.is_prerelease]
