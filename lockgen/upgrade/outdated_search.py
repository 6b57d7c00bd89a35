"""Which pins are not the newest: each by itself, with all else as it is, a resolver asked for what fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.version import Version

from lockgen.core.index import Release
from lockgen.core.lock import Lock
from lockgen.core.ports import Parallel, Progress
from lockgen.errors import LockgenError
from lockgen.index.ports import Publications
from lockgen.lock.closure import Closures
from lockgen.upgrade.bump_model import PinGroup, PinSite, public
from lockgen.upgrade.bump_search import BumpSearch, Pick
from lockgen.upgrade.outdated_model import FamilyMember, OutdatedPin
from lockgen.upgrade.pin_groups import AvailableVersions, units

CUT_OFF = "newer than exclude-newer"


@dataclass(frozen=True)
class OutdatedSearch:
    """``lock`` says which images hold what; without one, only who asks by name is known. ``fitting``: whether
    there is any solution, without which nothing can be said to fit.
    """

    chooser: BumpSearch
    publications: Publications
    parallel: Parallel
    progress: Progress
    lock: Lock | None
    fitting: bool = True

    def rows(self) -> list[OutdatedPin]:
        """A row for each pin, and one for torch's family in each table, in the order of the file's tables."""
        every = units(self.chooser.manifest)
        self.progress.step(f"asking for the releases of {len(every)} pins")
        return self.parallel.each(self._row, every)

    def _row(self, unit: PinGroup) -> OutdatedPin:
        lead = next(seat for seat in unit.seats if seat.name == unit.name)
        published, unknown = self._published(lead)
        by_version = {Version(release.version): release for release in published}
        market = pick = None
        if self.fitting:
            try:
                market = self.chooser.market([unit])
                (pick,) = self.chooser.newest([unit], market, {})
            except LockgenError as error:
                unknown = unknown or _said(error)
        newest = self._newest(lead, published)
        fits = self._fits(lead, pick, by_version)
        return OutdatedPin(
            name=unit.name,
            members=tuple(_member(seat, pick) for seat in unit.seats),
            table=str(lead.pin.path[1]) if lead.pin.path[0] == "variants" else None,
            variants=unit.variants,
            images=tuple(self._images(unit)),
            held=bool(unit.held),
            current=by_version.get(lead.version) or Release(str(lead.version)),
            fits=fits,
            newest=newest,
            allowed=str(pick.newest.version) if pick is not None and pick.newest is not None and pick.reason else None,
            reason=pick.reason if pick is not None else "",
            bar=self._bar(unit, market, pick, newest),
            unknown=unknown,
        )

    def _published(self, lead: PinSite) -> tuple[Sequence[Release], str]:
        variant = next(iter(lead.variants), self.chooser.variants[0])
        try:
            return self.publications.published(lead.name, self.chooser.request(variant)), ""
        except LockgenError as error:
            return (), _said(error)

    def _newest(self, lead: PinSite, published: Iterable[Release]) -> Release | None:
        """The newest of the same build: with another local part it would be for another accelerator."""
        found = []
        for release in published:
            version = Version(release.version)
            if lead.version.local not in (None, version.local):
                continue
            if version.is_prerelease and not lead.version.is_prerelease:
                continue
            found.append((public(version), version.local is None, release))
        return max(found, key=lambda entry: entry[:2])[2] if found else None

    def _fits(self, lead: PinSite, pick: Pick | None, by_version: dict[Version, Release]) -> Release | None:
        if pick is None:
            return None
        text = pick.choice.of(lead) if pick.choice is not None else str(lead.version)
        return by_version.get(Version(text)) or Release(text)

    def _bar(self, unit: PinGroup, market: AvailableVersions | None, pick: Pick | None, newest: Release | None) -> str:
        """Why the newest at all is not asked for."""
        if market is None or pick is None or newest is None:
            return ""
        version = public(Version(newest.version))
        hoped = pick.newest.version if pick.newest is not None else unit.current
        if version <= hoped:
            return ""
        cut_off = self.chooser.manifest.exclude_newer
        if cut_off is not None and newest.uploaded is not None and newest.uploaded >= cut_off:
            return CUT_OFF
        return market.bar(unit, version)

    def _images(self, unit: PinGroup) -> Iterable[str]:
        if self.lock is not None:
            closures = Closures(self.lock)
            mine = [image for image in self.lock.images if image.variant in unit.variants]
            held = {image.name for image in mine if closures.of(image) & set(unit.names)}
        else:
            elements = [element for v in unit.variants for element in self.chooser.solves[v].all]
            held = {name for element in elements if element.name in unit.names for name in element.requested_by}
        return sorted(held)


def _member(seat: PinSite, pick: Pick | None) -> FamilyMember:
    fits = None
    if pick is not None:
        fits = pick.choice.of(seat) if pick.choice is not None else str(seat.version)
    return FamilyMember(seat.name, seat.pin.path, str(seat.version), fits)


def _said(error: LockgenError) -> str:
    """One line: what is not known, and why."""
    fault = error.faults[0]
    why = (fault.reason or "").strip().splitlines()
    return f"{fault.message}: {why[0]}" if why else fault.message
