"""Look on the default index for what a family without a solution demands, and report all that is missing at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from lockgen.core.accelerator import FAMILY
from lockgen.core.index import ProjectPage
from lockgen.core.lock import Lock
from lockgen.core.manifest import Index, Manifest
from lockgen.core.popular_packages import ALIASES, POPULAR
from lockgen.errors import Fault, FlatIndex, LockgenError
from lockgen.index.addresses import index_addresses
from lockgen.index.parallel_reads import try_each
from lockgen.index.shortage import Lack, Limits, Shortage, shortage
from lockgen.index.simple_api import read_page
from lockgen.io.http import Http
from lockgen.io.uv import default_index
from lockgen.lock.blame import names_in
from lockgen.lock.requests import order_of_variants
from lockgen.manifest.fingerprints import Inputs
from lockgen.outputs.shortage_faults import Demand, ShortageFaults, demands

_SIMILAR = 0.75
"""How similar a name must be (see difflib) to be looked up as the correct spelling."""
_LOOKED_UP = 4
"""The most spellings of one name that are looked up on the index."""

_FOUND_ELSEWHERE = {Lack.PROJECT, Lack.VERSION, Lack.WHEEL}
"""What another index may have."""

_NEVER_RIGHT = {Lack.PROJECT, Lack.VERSION}
"""What is wrong with a pin even if nothing needs its package."""


class ShortageSearch:
    """Reads the pages of the default index, each once. A page that cannot be read is not judged."""

    def __init__(self, http: Http, manifest: Manifest, old: Lock | None) -> None:
        self._http = http
        self._manifest = manifest
        self._old = old

    def faults(self, variants: Sequence[str], reason: str, only: Collection[str] | None = None) -> list[Fault]:
        """A fault for each demand of ``variants`` that the index cannot meet; with ``only``, for these packages."""
        demanded = demands(self._manifest, variants, names_in(reason))
        if only is not None:
            demanded = [demand for demand in demanded if demand.name in only]
        found, known = self._shortages(demanded)
        if found and only is None:
            # Something else is missing, so the resolver may not have reached the pins.
            more, more_known = self._wrong_pins(variants, demanded)
            found += more
            known |= more_known
        missing = [demand.name for demand, lacking in found if lacking.lack is Lack.PROJECT]
        spellings = self._spellings(missing, known)
        owners = self._owners(found)
        return ShortageFaults(self._manifest, spellings, owners).of(found)

    def _wrong_pins(
        self, variants: Sequence[str], demanded: Collection[Demand]
    ) -> tuple[list[tuple[Demand, Shortage]], set[str]]:
        """As `_shortages`, for the pins of ``variants`` that are wrong whatever needs them, without ``demanded``."""
        names = self._pinned(variants)
        others = [demand for demand in demands(self._manifest, variants, names) if demand not in demanded]
        found, known = self._shortages(others)
        wrong: list[tuple[Demand, Shortage]] = []
        for demand, lacking in found:
            if lacking.lack in _NEVER_RIGHT:
                wrong.append((demand, lacking))
        return wrong, known

    def owners(self, variants: Sequence[str], reason: str, only: Collection[str]) -> dict[Demand, Index]:
        """What ``variants`` demand of the packages ``only`` that another index of versions.toml has, and that index."""
        demanded = [demand for demand in demands(self._manifest, variants, names_in(reason)) if demand.name in only]
        return self._owners(self._shortages(demanded)[0])

    def _pinned(self, variants: Iterable[str]) -> set[str]:
        names: set[str] = set()
        for variant in variants:
            names.update(self._manifest.pins_of(variant))
        return names

    def _shortages(self, demanded: Iterable[Demand]) -> tuple[list[tuple[Demand, Shortage]], set[str]]:
        """What is lacking, and which of the packages exist."""
        manifest = self._manifest
        limits = Limits(manifest.target, manifest.build, manifest.exclude_newer)
        pages = self._pages({demand.name for demand in demanded})
        found: list[tuple[Demand, Shortage]] = []
        for demand in demanded:
            page = pages.get(demand.name)
            lacking = shortage(page, demand.bounds, limits) if page is not None else None
            if lacking is not None:
                found.append((demand, lacking))
        return found, _existing(pages)

    def _owners(self, found: Iterable[tuple[Demand, Shortage]]) -> dict[Demand, Index]:
        """The indexes of versions.toml that have what the default index lacks, though they do not list it."""
        manifest = self._manifest
        # Files of a listed package need no upload time.
        limits = Limits(manifest.target, manifest.build, None)
        addresses = index_addresses(self._http, manifest)
        owners: dict[Demand, Index] = {}
        for demand, lacking in found:
            if lacking.lack not in _FOUND_ELSEWHERE or demand.name in manifest.listed:
                continue
            for index in manifest.indexes.values():
                page = self._pages([demand.name], addresses[index.name]).get(demand.name)
                if page is not None and shortage(page, demand.bounds, limits) is None:
                    owners.setdefault(demand, index)
        return owners

    def _pages(self, names: Iterable[str], url: str | None = None) -> dict[str, ProjectPage]:
        """The pages of the index at ``url``, or of the default index; without those that cannot be read."""
        address = url or default_index()
        found, _ = try_each(sorted(names), lambda name: read_page(self._http, address, name))
        return found

    def _spellings(self, missing: Sequence[str], known: Collection[str]) -> dict[str, list[str]]:
        """For each missing package, the similar names that the index has."""
        if not missing:
            return {}
        names = self._names(known)
        likely = {name: _similar(name, names) for name in missing}
        unsure: set[str] = set()
        for similar in likely.values():
            unsure.update(similar)
        existing = _existing(self._pages(unsure.difference(known))).union(known)
        found: dict[str, list[str]] = {}
        for name, similar in likely.items():
            found[name] = [other for other in similar if other in existing]
        return found

    def _names(self, known: Collection[str]) -> set[str]:
        """The names that a person may have meant."""
        manifest = self._manifest
        names = {*known, *POPULAR, *FAMILY, *manifest.pins, *manifest.listed, *manifest.build}
        if self._old is not None:
            names.update(package.name for package in self._old.packages)
        return names


def _existing(pages: Mapping[str, ProjectPage]) -> set[str]:
    return {name for name, page in pages.items() if page.files}


def _similar(name: str, names: Collection[str]) -> list[str]:
    """The most similar names, the best first."""
    alias = ALIASES.get(name)
    others = sorted(set(names) - {name})
    close = difflib.get_close_matches(name, others, n=_LOOKED_UP, cutoff=_SIMILAR)
    # Many projects have "python-" in front of the name of their module, or "py".
    variants = [f"python-{name}", f"py{name}", name.removeprefix("python-"), name.removeprefix("py")]
    likely = [alias] if alias is not None else []
    likely += close or [variant for variant in variants if variant not in {name, ""}]
    return likely[:_LOOKED_UP]


def shortages(http: Http, manifest: Manifest, old: Lock | None, variants: Sequence[str], reason: str) -> list[Fault]:
    """See `ShortageSearch.faults`; nothing if the index cannot be asked.

    Raises:
        FlatIndex: the index cannot have any package.
    """
    try:
        return ShortageSearch(http, manifest, old).faults(variants, reason)
    except FlatIndex:
        raise
    except LockgenError:
        return []


def placed_shortages(http: Http, inputs: Inputs, old: Lock | None, reason: str) -> list[Fault]:
    """The same for all variants of ``inputs``, each with its line in versions.toml."""
    found = shortages(http, inputs.manifest, old, order_of_variants(inputs.manifest), reason)
    return [fault if fault.path is None else replace(fault, place=inputs.place(fault.path)) for fault in found]
