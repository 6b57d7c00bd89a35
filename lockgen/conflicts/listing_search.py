"""Repairs that list a package on an index of the family that has it, as the default index does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lockgen.app import App
from lockgen.conflicts.model import Conflict, Listing
from lockgen.conflicts.repair_edits import with_listings
from lockgen.core.index import ExplicitIndex
from lockgen.core.manifest import Index, Manifest
from lockgen.errors import BadInput, LockgenError
from lockgen.index.sources import explicit_indexes
from lockgen.lock.requests import order_of_variants
from lockgen.manifest.fingerprints import VERSIONS, Inputs
from lockgen.manifest.reader import parse_manifest
from lockgen.outputs.shortage_faults import Demand, demands
from lockgen.outputs.shortage_search import ShortageSearch


@dataclass(frozen=True)
class ListedFamily:
    """versions.toml with ``listings``, and its indexes, those of the listings as they are now."""

    inputs: Inputs
    indexes: Mapping[str, ExplicitIndex]
    listings: tuple[Listing, ...]


def listed_family(app: App, inputs: Inputs, conflicts: Iterable[Conflict], *, live: bool) -> ListedFamily | None:
    """The family with all listings that may help; None if there are none, or if an index cannot be read."""
    try:
        listings = _listings(app, inputs.manifest, conflicts)
        if not listings:
            return None
        text = with_listings(inputs.text, listings, VERSIONS)
        manifest = parse_manifest(text.encode(), VERSIONS)
        indexes = _indexes(app, manifest, {listing.index for listing in listings}, live=live)
    except LockgenError:
        # An index for another accelerator than that of the base image, for example.
        return None
    return ListedFamily(Inputs(text, manifest), indexes, tuple(listings))


def _listings(app: App, manifest: Manifest, conflicts: Iterable[Conflict]) -> list[Listing]:
    names: set[str] = set()
    reasons: list[str] = []
    for conflict in conflicts:
        involved = {constraint.name for constraint in conflict.constraints}
        if len(involved) == 1:
            # The package has no solution by itself: this index may not have it.
            names |= involved
            reasons.append(conflict.reason)
    if not names or not manifest.indexes:
        return []
    search = ShortageSearch(app.http, manifest, None)
    owners = search.owners(order_of_variants(manifest), "\n".join(reasons), names)
    return sorted({_listing(manifest, demand, index) for demand, index in owners.items()})


def _listing(manifest: Manifest, demand: Demand, index: Index) -> Listing:
    missing: list[str] = []
    for variant in order_of_variants(manifest):
        if not any(_is_same(other, demand) for other in demands(manifest, [variant], {demand.name})):
            continue
        used = manifest.variants[variant].index
        if used is None:
            missing.append(variant)
        elif used != index.name:
            raise BadInput(f"variant {variant} uses index {used}, and can use no other")
    is_recorded = index.recorded is not None
    return Listing(demand.name, index.name, tuple(missing), demand.text, demand.path, is_recorded)


def _is_same(one: Demand, other: Demand) -> bool:
    return (one.name, one.bounds) == (other.name, other.bounds)


def _indexes(app: App, manifest: Manifest, listing: Iterable[str], *, live: bool) -> dict[str, ExplicitIndex]:
    """The indexes of ``manifest``. The record of one in ``listing`` does not have the new package."""
    unrecorded = dict(manifest.indexes)
    for name in listing:
        unrecorded[name] = replace(unrecorded[name], recorded=None)
    return explicit_indexes(
        replace(manifest, indexes=unrecorded), app.folder, app.http, app.progress, live=live, offline=False
    )
