"""The cells of the compatibility matrix: the product of its axes, the groups of images, and what each cell asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from lockgen.compat.model import Axis, Cell, CellStatus, ImageGroup
from lockgen.core.compat_axes import PYTHON, TORCH, VARIANT, Compat, Declared, Exclusion, Member, Pairs
from lockgen.core.index import ExplicitIndex
from lockgen.core.manifest import Image, Manifest, Pin
from lockgen.core.target import Target
from lockgen.errors import BadInput, Fault

Offered = Mapping[str, Sequence[Version]]
"""Package to the versions that its index has, for axes that a bound describes."""


# -- axes and cells -----------------------------------------------------------


def axes_of(compat: Compat, offered: Offered) -> tuple[Axis, ...]:
    """The axes with their values, the variant's last.

    Raises:
        BadInput: a bound that nothing on the index lies within.
    """
    faults: list[Fault] = []
    axes = []
    for declared in compat.axes:
        values = declared.values if declared.bound is None else _within(declared, offered)
        if not values:
            message = f"nothing that the index has of {declared.name} lies within {declared.bound}"
            faults.append(Fault(message, hint="widen the bound, or list versions", path=declared.path))
        axes.append(Axis(declared.name, values))
    if faults:
        raise BadInput.of(faults)
    return (*axes, Axis(VARIANT, compat.variants))


def _within(declared: Declared, offered: Offered) -> tuple[str, ...]:
    versions = {Version(version.public) for version in offered.get(declared.name, ()) if not version.is_prerelease}
    return tuple(str(version) for version in sorted(SpecifierSet(declared.bound or "").filter(versions)))


def cells_of(compat: Compat, axes: Sequence[Axis]) -> tuple[Cell, ...]:
    """Every combination, in the order of the axes' values; what an exclusion means is marked.

    Raises:
        BadInput: an exclusion that no cell lies within, or one that leaves nothing.
    """
    names = [axis.name for axis in axes]
    cells = [Cell(dict(zip(names, values, strict=True))) for values in product(*(axis.values for axis in axes))]
    used: set[int] = set()
    found = []
    for cell in cells:
        hits = {number for number, entry in enumerate(compat.exclude) if _lies_within(cell, entry)}
        used |= hits
        found.append(replace(cell, excluded=bool(hits)))
    faults = [
        Fault(
            "no cell lies within this exclusion", hint="look at the values of the axes, or remove it", path=entry.path
        )
        for number, entry in enumerate(compat.exclude)
        if number not in used
    ]
    if not faults and all(cell.excluded for cell in found):
        faults = [Fault("every cell is excluded", hint="exclude fewer", path=("compat", "exclude"))]
    if faults:
        raise BadInput.of(faults)
    return tuple(found)


def _lies_within(cell: Cell, exclusion: Exclusion) -> bool:
    return all(_holds(axis, bound, cell.at[axis]) for axis, bound in exclusion.bounds.items())


def _holds(axis: str, bound: str, value: str) -> bool:
    if axis == VARIANT:
        return bound == value
    text = bound if bound[:1] in "<>=!~" else f"=={bound}"
    return SpecifierSet(text).contains(value, prereleases=True)


def without_partner(compat: Compat, axes: Sequence[Axis], pairs: Pairs) -> list[Fault]:
    """Torches that the pair table does not know."""
    declared = next((axis for axis in compat.axes if axis.name == TORCH), None)
    values = next((axis.values for axis in axes if axis.name == TORCH), ())
    hint = 'lockgen pairs --refresh, or say it: [compat.pairs."{0}"] torchaudio = "…"'
    return [
        Fault(f"the pair table does not know torch {value}", hint=hint.format(value), path=declared.path_of(value))
        for value in values
        if value not in pairs and declared is not None
    ]


def chosen(cells: Sequence[Cell], axes: Sequence[Axis], words: Iterable[str]) -> tuple[Cell, ...]:
    """The cells that any of ``words`` means: "torch=2.5.1", "python=3.11 torch=2.5.1", or a nox id "3.11, 2.5.1, cuda".

    Raises:
        BadInput: a word that means no cell.
    """
    wanted: set[str] = set()
    for word in words:
        at = _at(word, axes)
        found = [cell.name for cell in cells if all(cell.at[axis] == value for axis, value in at.items())]
        if not found:
            raise BadInput(f"no cell is called {word!r}", hint=f"as in {cells[0].name!r}, or a part of it")
        wanted |= set(found)
    return tuple(cell for cell in cells if cell.name in wanted)


def _at(word: str, axes: Sequence[Axis]) -> dict[str, str]:
    parts = [part for part in word.replace(",", " ").split() if part]
    if parts and all("=" not in part for part in parts) and len(parts) == len(axes):
        parts = [f"{axis.name}={part}" for axis, part in zip(axes, parts, strict=True)]
    values = {axis.name: axis.values for axis in axes}
    at: dict[str, str] = {}
    for part in parts:
        axis, _, value = part.partition("=")
        if axis not in values:
            raise BadInput(f"{part!r} names no axis", hint=f"known here: {', '.join(values)}; as in python=3.11")
        if value not in values[axis]:
            raise BadInput(f"{axis} has no value {value!r}", hint=f"known here: {', '.join(values[axis])}")
        at[axis] = value
    return at


def shard(cells: Sequence[Cell], number: int, of: int) -> tuple[Cell, ...]:
    """The cells of shard ``number`` (from 1): every one is in exactly one shard, neighbours in different ones."""
    return tuple(cell for position, cell in enumerate(cells) if position % of == number - 1)


# -- groups of images ---------------------------------------------------------


def groups_of(manifest: Manifest, variants: Iterable[str]) -> tuple[ImageGroup, ...]:
    """The images of each variant that are solved together: a base, what it stands on, and the stages on it.

    A base without its own stages belongs to the bases above it; one that nothing stands on is a group by itself.
    """
    return tuple(group for variant in variants for group in _groups(manifest, variant))


def _groups(manifest: Manifest, variant: str) -> Iterable[ImageGroup]:
    images = manifest.images_of(variant)
    stages: dict[str, list[Image]] = {}
    for image in images:
        if image.kind == "stage" and image.base is not None:
            stages.setdefault(image.base, []).append(image)
    below = {image.base for image in images if image.kind == "base"}
    heads = [image for image in images if image.kind == "base" and (image.name in stages or image.name not in below)]
    for head in heads:
        own = {image.name for image in (*manifest.chain(head.name), *stages.get(head.name, ()))}
        others = {other.name for other in heads if other.name != head.name}
        yield ImageGroup(f"{head.name}:{variant}", variant, tuple(sorted(own - others)))


def images_solved(manifest: Manifest, group: ImageGroup) -> dict[str, Image]:
    """The images of ``group`` with all that they stand on."""
    return {link.name: link for name in group.images for link in manifest.chain(name)}


# -- what a cell asks for -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gap:
    """A pin of a cell without a file, and what that means."""

    name: str
    reason: str
    status: CellStatus


@dataclass(frozen=True)
class Situation:
    """One group in one cell, as a family: one variant, the cell's Python, and its pins held.

    ``moved`` are the packages whose pins the cell says; ``loose`` those of them that no image here asks for by name, so
    that perhaps nothing needs them.
    """

    manifest: Manifest
    variant: str
    moved: frozenset[str]
    loose: frozenset[str]
    gaps: tuple[Gap, ...]

    @cached_property
    def relaxed(self) -> Situation:
        """The same without the pins that perhaps nothing needs: many cells are then one."""
        table = self.manifest.variants[self.variant]
        pins = {name: pin for name, pin in table.pins.items() if name not in self.loose}
        variants = {self.variant: replace(table, pins=pins)}
        plain = {name: pin for name, pin in self.manifest.pins.items() if name not in self.loose}
        manifest = replace(self.manifest, variants=variants, pins=plain)
        return replace(self, manifest=manifest, moved=self.moved - self.loose, loose=frozenset(), gaps=())


def situation(
    manifest: Manifest, cell: Cell, group: ImageGroup, pairs: Pairs, indexes: Mapping[str, ExplicitIndex]
) -> Situation:
    """What ``group`` asks for in ``cell``."""
    compat = manifest.compat or Compat((), ())
    images = images_solved(manifest, group)
    asked = {ask.name for ask in manifest.common}
    asked |= {ask.name for image in images.values() for ask in image.packages}
    target = replace(manifest.target, python=cell.at.get(PYTHON, manifest.target.python))
    pins = {name: _held(pin, name in compat.held) for name, pin in manifest.pins_of(group.variant).items()}
    values, gaps = _values(manifest, cell, group.variant, pairs, set(pins) | asked)
    for name, version in values.items():
        known = pins.get(name)
        pins[name] = Pin(version, known.path if known is not None else ("compat", name), held=True)
        gaps += _gaps(manifest, group.variant, name, version, target, indexes, pairs, cell)
    for gap in gaps:
        if gap.name not in values:
            pins.pop(gap.name, None)
    moved = frozenset(values) | {gap.name for gap in gaps}
    variant = replace(manifest.variants[group.variant], pins={})
    narrowed = replace(manifest, target=target, variants={group.variant: variant}, pins=pins, images=images)
    return Situation(narrowed, group.variant, moved, moved - asked, tuple(gaps))


def _held(pin: Pin, held: bool) -> Pin:
    return replace(pin, held=True) if held else pin


def _values(
    manifest: Manifest, cell: Cell, variant: str, pairs: Pairs, known: set[str]
) -> tuple[dict[str, Version], list[Gap]]:
    """The pins that ``cell`` says; torch brings its family, as far as it is pinned or asked for."""
    values: dict[str, Version] = {}
    gaps: list[Gap] = []
    for name, value in cell.at.items():
        if name not in {PYTHON, VARIANT, TORCH}:
            values[name] = built(manifest, variant, name, value)
    if TORCH in cell.at:
        torch = cell.at[TORCH]
        for name, member in sorted({**pairs[torch].members, TORCH: Member(torch)}.items()):
            if name != TORCH and (name in cell.at or name not in known):
                continue
            if member.version is None:
                reason = f"no metadata says which {name} goes with torch {torch}"
                gaps.append(Gap(name, reason, CellStatus.UNKNOWN))
            else:
                values[name] = built(manifest, variant, name, member.version)
    return values, gaps


def built(manifest: Manifest, variant: str, name: str, version: str) -> Version:
    """``version`` as the build of the index that ``name`` comes from in ``variant``."""
    index = manifest.index_of(name, variant)
    if index is None:
        return Version(version)
    pin = manifest.pins_of(variant).get(name)
    local = (pin.version.local if pin is not None else None) or index.accelerator
    return Version(f"{version}+{local}") if local else Version(version)


def _gaps(
    manifest: Manifest,
    variant: str,
    name: str,
    version: Version,
    target: Target,
    indexes: Mapping[str, ExplicitIndex],
    pairs: Pairs,
    cell: Cell,
) -> list[Gap]:
    """Why the explicit index has no file for a pin, if so. A record may be incomplete: only what is known is a no."""
    index = manifest.index_of(name, variant)
    if index is None or index.name not in indexes or _has(indexes[index.name], name, version, target):
        return []
    where = indexes[index.name]
    lacking = f"index {index.name} has no {name} {version} for Python {target.python}"
    if not where.recorded:
        return [Gap(name, lacking, CellStatus.NO)]
    lacking = f"the record of {index.name} has no {name} {version} for Python {target.python}"
    release = pairs.get(cell.at.get(TORCH, ""))
    member = release.members.get(name) if release is not None else None
    if member is None or member.pythons is None or member.version != version.public:
        return [Gap(name, lacking, CellStatus.UNKNOWN)]
    if target.python in member.pythons:
        return [Gap(name, f"{lacking}; the default index has {version.public} for it", CellStatus.UNKNOWN)]
    text = f"{name} {version.public} has no wheel for Python {target.python}, here or on the default index"
    there = f" (it has for {member.pythons[0]} to {member.pythons[-1]})" if member.pythons else ""
    return [Gap(name, text + there, CellStatus.NO)]


def _has(index: ExplicitIndex, name: str, version: Version, target: Target) -> bool:
    page = index.pages.get(name)
    return page is not None and any(
        _fits(file.name, version, target) and file.name in index.metadata for file in page.files
    )


def _fits(filename: str, version: Version, target: Target) -> bool:
    try:
        _, found, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return False
    return found == version and any(tag in target.ranks for tag in tags)


def spoken_of(situation: Situation) -> frozenset[str]:
    """The packages that versions.toml speaks of here: pins, and what images ask for by name."""
    manifest = situation.manifest
    asked = {ask.name for ask in manifest.common}
    asked |= {ask.name for image in manifest.images.values() for ask in image.packages}
    return frozenset(asked | set(manifest.pins_of(situation.variant)) | situation.moved)
