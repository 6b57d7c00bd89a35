"""`lockgen repair`: print the smallest changes to versions.toml after which it resolves, and write one on request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lockgen.app import App
from lockgen.conflicts import repair_render as rendering
from lockgen.conflicts.diagnose import SearchOptions, conflict_search, constraint_lines, disagreement
from lockgen.conflicts.listing_search import listed_family
from lockgen.conflicts.missing_releases import missing_releases, note_missing_releases
from lockgen.conflicts.model import Conflict, Listing, Repairs
from lockgen.conflicts.new_pins import new_pins
from lockgen.conflicts.repair_edits import with_proposal
from lockgen.conflicts.repair_search import RepairSearch, rank
from lockgen.core.index import ExplicitIndex
from lockgen.core.manifest import Image, Manifest
from lockgen.core.ports import Progress
from lockgen.core.words import counted
from lockgen.errors import BadInput, Exit, Fault, LockgenError, NoResolution, ToolFailed
from lockgen.index.releases import IndexReleases
from lockgen.io.output import print_json, print_text
from lockgen.io.ownership import refuse_link
from lockgen.io.workspace import Folder
from lockgen.lock.requests import joint_variants, order_of_variants
from lockgen.manifest.fingerprints import VERSIONS, Inputs, read_inputs
from lockgen.manifest.reader import parse_manifest
from lockgen.pairs.table import known_pairs


@dataclass(frozen=True)
class RepairOptions:
    """Command-line options. ``apply`` is the number of the proposal to write, from 1."""

    apply: int | None = None
    count: int = 3
    offline: bool = False
    live: bool = False
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False
    as_json: bool = False


def run(app: App, options: RepairOptions) -> int:
    """Print proposals; with ``apply``, write one to versions.toml. Exit.DONE if there is one, or none is needed.

    Raises:
        BadInput: no proposal has that number, or versions.toml cannot be edited.
        NoResolution: no change of what may move repairs it.
    """
    folder = app.folder
    # With --apply the lock lasts until the edit, or another command could change versions.toml in between.
    with folder.locked() if options.apply is not None else folder.shared():
        inputs = read_inputs(folder)
        search = _repair_search(app, inputs, options)
        found = _with_new_pins(search, inputs, _repairs(search, inputs))
        if not found.conflicts and not found.proposals:
            return _nothing_to_repair(found, options)
        found = _with_listings(app, inputs, found, options)
        if not found.proposals:
            lacking = missing_releases(app, inputs, found.conflicts, offline=options.offline)
            raise NoResolution.of(lacking) if lacking else _no_proposal(inputs, found)
        _report(inputs, found, options)
        note_missing_releases(app, inputs, found.conflicts, offline=options.offline)
        if options.apply is not None:
            _apply(folder, inputs, found, options.apply, app.progress)
    return Exit.DONE if found.complete else Exit.INTERRUPTED


def _with_new_pins(search: RepairSearch, inputs: Inputs, found: Repairs) -> Repairs:
    """``found``, with a proposal that pins packages without a pin, if there is no other one."""
    if found.proposals or not (found.conflicts or found.unknown):
        return found
    proposal = new_pins(search.problem(keeps_accelerator=True), found)
    if proposal is None:
        return found
    repairs = replace(found, proposals=(proposal,), complete=True)
    return found if _first_disagreement(search, inputs, repairs) is not None else repairs


def _with_listings(app: App, inputs: Inputs, found: Repairs, options: RepairOptions) -> Repairs:
    """``found``, with proposals to take packages from an index that has them."""
    if options.offline or not found.complete:
        return found
    listed = listed_family(app, inputs, found.conflicts, live=options.live)
    if listed is None:
        return found
    try:
        search = _repair_search(app, listed.inputs, options, listed.indexes)
        repairs = _repairs(search, listed.inputs)
    except LockgenError:
        return found
    if repairs.unknown or not repairs.complete:
        return found
    images = _images_of(inputs.manifest, listed.listings)
    proposals = list(found.proposals)
    # Without a conflict, the listings are the whole repair.
    for proposal in repairs.proposals or ([] if repairs.conflicts else [search.unchanged()]):
        affected = tuple(sorted({*proposal.images, *images}))
        proposals.append(replace(proposal, images=affected, listings=listed.listings))
    proposals.sort(key=lambda proposal: (bool(proposal.accelerator), rank(proposal)))
    return replace(
        found,
        proposals=tuple(proposals[: search.count]),
        conflicts=(*found.conflicts, *repairs.conflicts),
        asked=found.asked + repairs.asked,
    )


def _images_of(manifest: Manifest, listings: Iterable[Listing]) -> set[str]:
    """The images that require a listed package; all images if only other packages require one."""
    images: set[str] = set()
    for listing in listings:
        requiring = [image for image in manifest.images.values() if _requires(image, listing.package)]
        images.update(image.name for image in requiring or manifest.images.values())
    return images


def _requires(image: Image, package: str) -> bool:
    return any(requirement.name == package for requirement in image.packages)


def _repair_search(
    app: App, inputs: Inputs, options: RepairOptions, indexes: Mapping[str, ExplicitIndex] | None = None
) -> RepairSearch:
    search_options = SearchOptions(
        offline=options.offline,
        live=options.live,
        seconds=options.seconds,
        jobs=options.jobs,
        no_cache=options.no_cache,
    )
    compat = inputs.manifest.compat
    declared = compat.pairs if compat is not None else {}
    return RepairSearch(
        explainer=conflict_search(app, inputs, search_options, indexes),
        releases=IndexReleases(app.http),
        pairs=known_pairs(app.folder, declared),
        variants=order_of_variants(inputs.manifest),
        # --apply 5 needs five proposals, whatever --count says.
        count=max(options.count, options.apply or 0),
    )


def _repairs(search: RepairSearch, inputs: Inputs) -> Repairs:
    """Repairs after which the variants also agree on one version of each package.

    The first search treats each variant by itself, which is faster. If the variants disagree after one of its
    proposals, a second search includes the family as a whole.

    Raises:
        NoResolution: the variants do not agree, and no constraint that they share explains it.
    """
    found = search.run()
    if len(search.variants) < 2 or not found.complete:
        return found
    error = _first_disagreement(search, inputs, found)
    if error is None:
        return found
    found = replace(search, joint=joint_variants(inputs.manifest)).run()
    if not found.conflicts:
        raise error
    return found


def _first_disagreement(search: RepairSearch, inputs: Inputs, found: Repairs) -> NoResolution | None:
    texts = [with_proposal(inputs.text, proposal, found, VERSIONS) for proposal in found.proposals]
    errors: list[NoResolution] = []
    # Without a proposal, versions.toml itself has to resolve. Every text is resolved, as any of them may be applied.
    for text in texts or [inputs.text]:
        error = disagreement(search.explainer, parse_manifest(text.encode(), VERSIONS))
        if error is not None:
            errors.append(error)
    return errors[0] if errors else None


def _nothing_to_repair(found: Repairs, options: RepairOptions) -> int:
    if found.unknown:
        raise ToolFailed("cannot determine whether versions.toml resolves", reason="\n".join(found.unknown))
    if options.as_json:
        print_json(rendering.as_json(found, lambda constraint: None))
    else:
        print_text("versions.toml resolves: nothing to repair")
    return Exit.DONE


def _no_proposal(inputs: Inputs, found: Repairs) -> LockgenError:
    """The error without a proposal: an answer is missing, or a conflict has nothing that may move."""
    if found.unknown:
        return ToolFailed(
            "no repair was found, and the resolver did not answer some queries", reason="\n".join(found.unknown)
        )
    stuck = [conflict for conflict in found.conflicts if _is_stuck(conflict)]
    hint = _held_hint(found)
    faults: list[Fault] = []
    # If every conflict can be repaired alone but not all of them together, all are reported.
    for conflict in stuck or found.conflicts:
        constraints = conflict.constraints
        fault = Fault(
            f"no allowed change resolves {' with '.join(constraint.text for constraint in constraints)}",
            place=inputs.place(constraints[0].path) if constraints else None,
            reason=conflict.reason,
            hint=hint,
        )
        faults.append(fault)
    return NoResolution.of(faults)


def _is_stuck(conflict: Conflict) -> bool:
    return all(constraint.held or constraint.kind == "ask" for constraint in conflict.constraints)


def _held_hint(found: Repairs) -> str:
    held: set[str] = set()
    for conflict in found.conflicts:
        held |= {constraint.text for constraint in conflict.constraints if constraint.held}
    if not held:
        return "see `lockgen explain`"
    return f"held: {', '.join(sorted(held))}"


def _report(inputs: Inputs, found: Repairs, options: RepairOptions) -> None:
    lines = constraint_lines(inputs)
    if options.as_json:
        print_json(rendering.as_json(found, lines))
    else:
        print_text(rendering.text(found, lines))


def _apply(folder: Folder, inputs: Inputs, found: Repairs, number: int, progress: Progress) -> None:
    count = len(found.proposals)
    if number > count:
        raise BadInput(f"no proposal {number}", hint=f"there are {count}; --apply 1 writes the smallest")
    refuse_link(folder, VERSIONS)
    proposal = found.proposals[number - 1]
    text = with_proposal(inputs.text, proposal, found, VERSIONS)
    # Never write a versions.toml that the next command would reject.
    parse_manifest(text.encode(), VERSIONS)
    folder.replace({VERSIONS: text.encode()})
    records = sorted({listing.index for listing in proposal.listings if listing.recorded})
    first = "".join(f"`lockgen index record {name}`, then " for name in records)
    progress.note(
        f"{VERSIONS}: made {counted(proposal.size, 'change')}; run {first}`lockgen resolve` to update the lock"
    )
