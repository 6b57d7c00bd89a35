"""Find outdated pins: for each one, with everything else unchanged, the resolver finds the latest version that fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.version import Version

from lockgen.core.index import Release
from lockgen.core.lock import Lock
from lockgen.core.parsing import parse_version
from lockgen.core.ports import Parallel, Progress
from lockgen.core.update_policy import IgnoreRule
from lockgen.core.words import counted
from lockgen.errors import LockgenError
from lockgen.index.ports import Publications
from lockgen.lock.closure import Closures
from lockgen.proof.model import KnownBound
from lockgen.upgrade.bump_model import PinGroup, PinSite, public
from lockgen.upgrade.bump_search import BumpSearch, Pick
from lockgen.upgrade.outdated_model import FamilyMember, OutdatedPin
from lockgen.upgrade.pin_groups import AvailableVersions, pin_groups

CUT_OFF = "newer than exclude-newer"


@dataclass(frozen=True)
class _Found:
    """What the resolver found for a group; both None if it was not called, or if a request failed."""

    available: AvailableVersions | None = None
    pick: Pick | None = None
    unknown: str = ""


@dataclass(frozen=True)
class OutdatedSearch:
    """The search for the rows.

    ``lock`` says which images contain which packages; without one only the images that require a package directly are
    known. ``has_solution``: whether the current pins have a solution. Without one no version can be said to fit.
    ``bounds`` are those that apply to the current versions.
    """

    search: BumpSearch
    publications: Publications
    parallel: Parallel
    progress: Progress
    lock: Lock | None
    has_solution: bool = True
    bounds: Sequence[KnownBound] = ()

    def rows(self) -> list[OutdatedPin]:
        """A row for each pin, and one for torch's family in each table, in the order of the file's tables."""
        groups = pin_groups(self.search.manifest)
        self.progress.step(f"looking for the releases of {counted(len(groups), 'pin')}")
        return self.parallel.each(self._row, groups)

    def _row(self, group: PinGroup) -> OutdatedPin:
        site = group.leading_site
        # Two sources: all releases on the index, and those that the resolver may use.
        published, unpublished = self._published(site)
        by_version = {parse_version(release.version): release for release in published}
        found = self._latest_fitting(group)
        newest = _newest(site, published)
        table = None
        if site.pin.path[0] == "variants":
            table = str(site.pin.path[1])
        current = by_version.get(site.version) or Release(str(site.version))
        fits = _fits(site, found.pick, by_version)
        rules = self._ignoring(site, table, newest)
        return OutdatedPin(
            name=group.name,
            members=tuple(_member(site, found.pick) for site in group.sites),
            table=table,
            variants=group.variants,
            images=tuple(sorted(self._images(group))),
            held=bool(group.held),
            current=current,
            fits=fits,
            newest=newest,
            allowed=_allowed(found.pick),
            reason=found.pick.reason if found.pick is not None else "",
            bar=self._why_not_allowed(group, found, newest),
            unknown=unpublished or found.unknown,
            bounds=self._bounds(group, [release for release in (current, fits, newest) if release is not None]),
            ignored=tuple(rule.reason for rule in rules),
            not_ignored=self._newest_not_ignored(site, table, published) if rules else None,
        )

    def _bounds(self, group: PinGroup, releases: Sequence[Release]) -> tuple[KnownBound, ...]:
        """The bounds that concern one of ``releases``."""
        versions = [parse_version(release.version) for release in releases]
        found = []
        for known in self.bounds:
            _, _, variant = known.bound.image.rpartition(":")
            is_about = known.bound.package == group.name and variant in group.variants
            if is_about and any(map(known.bound.covers, versions)):
                found.append(known)
        return tuple(found)

    def _ignoring(self, site: PinSite, table: str | None, release: Release | None) -> list[IgnoreRule]:
        """The rules of [update] that ignore ``release``, if it is newer than the pin."""
        if release is None:
            return []
        version = parse_version(release.version)
        owners = (table,) if table is not None else ()
        if public(version) <= public(site.version):
            return []
        rules = self.search.manifest.update.ignore
        return [rule for rule in rules if rule.covers(site.name, version, variants=owners)]

    def _newest_not_ignored(self, site: PinSite, table: str | None, published: Iterable[Release]) -> str | None:
        left = [release for release in published if not self._ignoring(site, table, release)]
        newest = _newest(site, left)
        return newest.version if newest is not None else None

    def _latest_fitting(self, group: PinGroup) -> _Found:
        if not self.has_solution:
            # Every version would be refused, for a reason that has nothing to do with it.
            return _Found()
        available = None
        try:
            available = self.search.available([group])
            (pick,) = self.search.newest([group], available, {})
        except LockgenError as error:
            return _Found(available, None, _in_one_line(error))
        return _Found(available, pick)

    def _published(self, site: PinSite) -> tuple[Sequence[Release], str]:
        """All releases on the index of the pin, or why they are unknown."""
        variant = site.variants[0] if site.variants else self.search.variants[0]
        request = self.search.request(variant)
        try:
            return self.publications.published(site.name, request), ""
        except LockgenError as error:
            return (), _in_one_line(error)

    def _why_not_allowed(self, group: PinGroup, found: _Found, newest: Release | None) -> str:
        """Why the latest release on the index is not among the choices; "" if it is."""
        if found.available is None or found.pick is None or newest is None:
            return ""
        version = public(parse_version(newest.version))
        latest_choice = found.pick.newest.version if found.pick.newest is not None else group.current
        if version <= latest_choice:
            return ""
        cut_off = self.search.manifest.exclude_newer
        if cut_off is not None and newest.uploaded is not None and newest.uploaded >= cut_off:
            return CUT_OFF
        return found.available.why_not_allowed(group, version)

    def _images(self, group: PinGroup) -> Iterable[str]:
        """The images that contain a package of ``group``."""
        names = set(group.names)
        images: set[str] = set()
        if self.lock is None:
            # Images that contain it only through another package are not known.
            for variant in group.variants:
                for constraint in self.search.constraints[variant].all:
                    if constraint.name in names:
                        images.update(constraint.requested_by)
            return images
        closures = Closures(self.lock)
        for image in self.lock.images:
            if image.variant in group.variants and closures.of(image) & names:
                images.add(image.name)
        return images


def _newest(site: PinSite, published: Iterable[Release]) -> Release | None:
    """The latest release of the same build: with another local part it would be for another accelerator."""
    best: tuple[tuple[Version, bool], Release] | None = None
    for release in published:
        version = parse_version(release.version)
        if site.version.local not in (None, version.local):
            continue
        if version.is_prerelease and not site.version.is_prerelease:
            continue
        # Of two builds of one release the one without a local part is preferred.
        rank = (public(version), version.local is None)
        if best is None or rank > best[0]:
            best = (rank, release)
    return best[1] if best is not None else None


def _fits(site: PinSite, pick: Pick | None, by_version: dict[Version, Release]) -> Release | None:
    if pick is None:
        return None
    text = pick.version_of(site)
    # If the index cannot be read, the release is only known by its version.
    return by_version.get(parse_version(text)) or Release(text)


def _allowed(pick: Pick | None) -> str | None:
    """The latest allowed version if it does not fit."""
    if pick is None or pick.newest is None or not pick.reason:
        return None
    return str(pick.newest.version)


def _member(site: PinSite, pick: Pick | None) -> FamilyMember:
    fits = pick.version_of(site) if pick is not None else None
    return FamilyMember(site.name, site.pin.path, str(site.version), fits)


def _in_one_line(error: LockgenError) -> str:
    """The message, with the first line of the reason."""
    fault = error.faults[0]
    reason = (fault.reason or "").strip().splitlines()
    return f"{fault.message}: {reason[0]}" if reason else fault.message
