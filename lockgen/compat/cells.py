"""The cells of the compatibility matrix: the product of its axes, the groups of images, and what each cell requires."""

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
"""Package to the versions that its index has, for axes that are declared by a bound."""


# -- axes and cells -----------------------------------------------------------


def axes_of(compat: Compat, offered: Offered) -> tuple[Axis, ...]:
    """The axes with their values, the variants last.

    Raises:
        BadInput: no version on the index matches a bound.
    """
    faults: list[Fault] = []
    axes = []
    for declared in compat.axes:
        values = declared.values
        if declared.bound is not None:
            values = _matching_versions(declared.bound, offered.get(declared.name, ()))
        if not values:
            faults.append(_no_version_matches(declared))
        axes.append(Axis(declared.name, values))
    if faults:
        raise BadInput.of(faults)
    return (*axes, Axis(VARIANT, compat.variants))


def _matching_versions(bound: str, versions: Iterable[Version]) -> tuple[str, ...]:
    # An index may have several builds of one release: 2.5.1+cpu and 2.5.1+cu121 are one value of the axis.
    releases = {Version(version.public) for version in versions if not version.is_prerelease}
    matching = SpecifierSet(bound).filter(releases)
    return tuple(str(version) for version in sorted(matching))


def _no_version_matches(declared: Declared) -> Fault:
    message = f"the index has no version of {declared.name} that matches {declared.bound}"
    return Fault(message, hint="widen the bound, or list the versions", path=declared.path)


def cells_of(compat: Compat, axes: Sequence[Axis]) -> tuple[Cell, ...]:
    """Every combination, in the order of the axes' values. Excluded cells are marked.

    Raises:
        BadInput: an exclusion matches no cell, or every cell is excluded.
    """
    names = [axis.name for axis in axes]
    used: set[int] = set()
    cells = []
    for values in product(*(axis.values for axis in axes)):
        cell = Cell(dict(zip(names, values, strict=True)))
        matching = {number for number, exclusion in enumerate(compat.exclude) if _matches_exclusion(cell, exclusion)}
        used |= matching
        cells.append(replace(cell, excluded=bool(matching)))
    faults = _unused_exclusions(compat.exclude, used)
    if not faults and all(cell.excluded for cell in cells):
        faults = [Fault("every cell is excluded", hint="exclude fewer cells", path=("compat", "exclude"))]
    if faults:
        raise BadInput.of(faults)
    return tuple(cells)


def _unused_exclusions(exclusions: Sequence[Exclusion], used: set[int]) -> list[Fault]:
    faults = []
    for number, exclusion in enumerate(exclusions):
        if number not in used:
            hint = "check the values of the axes, or remove it"
            faults.append(Fault("this exclusion matches no cell", hint=hint, path=exclusion.path))
    return faults


def _matches_exclusion(cell: Cell, exclusion: Exclusion) -> bool:
    return all(_matches_bound(axis, bound, cell.at[axis]) for axis, bound in exclusion.bounds.items())


def _matches_bound(axis: str, bound: str, value: str) -> bool:
    if axis == VARIANT:
        return bound == value
    has_operator = bound[:1] in "<>=!~"
    specifier = SpecifierSet(bound if has_operator else f"=={bound}")
    return specifier.contains(value, prereleases=True)


def unknown_torch_releases(compat: Compat, axes: Sequence[Axis], pairs: Pairs) -> list[Fault]:
    """A fault for each torch release that is not in the pair table."""
    declared = next((axis for axis in compat.axes if axis.name == TORCH), None)
    torch = next((axis for axis in axes if axis.name == TORCH), None)
    if declared is None or torch is None:
        return []
    faults = []
    for version in torch.values:
        if version not in pairs:
            message = f"the pair table does not know torch {version}"
            hint = f'run `lockgen pairs --refresh`, or declare it: [compat.pairs."{version}"] torchaudio = "…"'
            faults.append(Fault(message, hint=hint, path=declared.path_of(version)))
    return faults


def select_cells(cells: Sequence[Cell], axes: Sequence[Axis], names: Iterable[str]) -> tuple[Cell, ...]:
    """The cells that match any of ``names``: "torch=2.5.1", "python=3.11 torch=2.5.1", or a nox id "3.11, 2.5.1, cuda".

    Raises:
        BadInput: a name matches no cell.
    """
    selected: set[str] = set()
    for name in names:
        wanted = _parse_cell_name(name, axes)
        matching = [cell.name for cell in cells if wanted.items() <= cell.at.items()]
        if not matching:
            raise BadInput(f"no cell matches {name!r}", hint=f"use a name such as {cells[0].name!r}, or a part of one")
        selected.update(matching)
    return tuple(cell for cell in cells if cell.name in selected)


def _parse_cell_name(name: str, axes: Sequence[Axis]) -> dict[str, str]:
    """The values that ``name`` selects, by axis."""
    parts = name.replace(",", " ").split()
    is_nox_id = len(parts) == len(axes) and not any("=" in part for part in parts)
    if is_nox_id:
        # nox names its sessions by the values alone, in the order of the axes.
        parts = [f"{axis.name}={part}" for axis, part in zip(axes, parts, strict=True)]
    values = {axis.name: axis.values for axis in axes}
    selected: dict[str, str] = {}
    for part in parts:
        axis_name, _, value = part.partition("=")
        if axis_name not in values:
            hint = f"known axes: {', '.join(values)}; for example python=3.11"
            raise BadInput(f"{part!r} does not name an axis", hint=hint)
        if value not in values[axis_name]:
            raise BadInput(f"{axis_name} has no value {value!r}", hint=f"known values: {', '.join(values[axis_name])}")
        selected[axis_name] = value
    return selected


def cells_of_shard(cells: Sequence[Cell], number: int, count: int) -> tuple[Cell, ...]:
    """The cells of shard ``number`` (from 1) of ``count``. Every cell is in exactly one shard."""
    # Neighbours go to different shards: they often need the same number of resolver calls.
    return tuple(cells[number - 1 :: count])


# -- groups of images ---------------------------------------------------------


def groups_of(manifest: Manifest, variants: Iterable[str]) -> tuple[ImageGroup, ...]:
    """The images of each variant that are solved together: a base, the bases that it builds on, and its stages.

    A base without its own stages belongs to the bases that build on it; if there are none, it is its own group.
    """
    groups: list[ImageGroup] = []
    for variant in variants:
        groups += _groups_of_variant(manifest, variant)
    return tuple(groups)


def _groups_of_variant(manifest: Manifest, variant: str) -> Iterable[ImageGroup]:
    images = manifest.images_of(variant)
    bases = [image for image in images if image.kind == "base"]
    extended = {base.base for base in bases}
    stages: dict[str, list[str]] = {}
    for image in images:
        if image.kind == "stage" and image.base is not None:
            stages.setdefault(image.base, []).append(image.name)
    heads = [base.name for base in bases if base.name in stages or base.name not in extended]
    for head in heads:
        names = {image.name for image in manifest.chain(head)}
        names.update(stages.get(head, ()))
        # A base with its own stages is solved in its own group only.
        names -= set(heads) - {head}
        yield ImageGroup(f"{head}:{variant}", variant, tuple(sorted(names)))


def images_solved(manifest: Manifest, group: ImageGroup) -> dict[str, Image]:
    """The images of ``group`` and every base that they build on."""
    images: dict[str, Image] = {}
    for name in group.images:
        images.update((image.name, image) for image in manifest.chain(name))
    return images


# -- what a cell requires -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gap:
    """A pin of a cell that no file is known for, and the status that follows."""

    name: str
    reason: str
    status: CellStatus


@dataclass(frozen=True)
class Scenario:
    """One group in one cell as a family: one variant, the cell's Python, and the cell's pins, which are held.

    ``cell_pins`` are the packages that the cell pins. ``unrequested`` are those of them that no image here requests by
    name, so that perhaps nothing needs them.
    """

    manifest: Manifest
    variant: str
    cell_pins: frozenset[str]
    unrequested: frozenset[str]
    gaps: tuple[Gap, ...]

    @cached_property
    def relaxed(self) -> Scenario:
        """The scenario without the pins that perhaps nothing needs: it is the same for many cells."""
        variant = self.manifest.variants[self.variant]
        variant = replace(variant, pins=self._requested_only(variant.pins))
        pins = self._requested_only(self.manifest.pins)
        manifest = replace(self.manifest, variants={self.variant: variant}, pins=pins)
        cell_pins = self.cell_pins - self.unrequested
        return replace(self, manifest=manifest, cell_pins=cell_pins, unrequested=frozenset(), gaps=())

    def _requested_only(self, pins: Mapping[str, Pin]) -> dict[str, Pin]:
        return {name: pin for name, pin in pins.items() if name not in self.unrequested}

    @property
    def declared_packages(self) -> frozenset[str]:
        """The packages that versions.toml names here: the pinned and the requested ones."""
        requested = _requested(self.manifest, self.manifest.images.values())
        return frozenset(requested | self.manifest.pins_of(self.variant).keys() | self.cell_pins)


def scenario_of(
    manifest: Manifest, cell: Cell, group: ImageGroup, pairs: Pairs, indexes: Mapping[str, ExplicitIndex]
) -> Scenario:
    """What ``group`` requires in ``cell``."""
    return _ScenarioBuilder(manifest, cell, group, pairs, indexes).build()


def _requested(manifest: Manifest, images: Iterable[Image]) -> set[str]:
    names = {requirement.name for requirement in manifest.common}
    for image in images:
        names.update(requirement.name for requirement in image.packages)
    return names


@dataclass(frozen=True)
class _ScenarioBuilder:
    manifest: Manifest
    cell: Cell
    group: ImageGroup
    pairs: Pairs
    indexes: Mapping[str, ExplicitIndex]

    @cached_property
    def target(self) -> Target:
        target = self.manifest.target
        return replace(target, python=self.cell.at.get(PYTHON, target.python))

    def build(self) -> Scenario:
        images = images_solved(self.manifest, self.group)
        requested = _requested(self.manifest, images.values())
        pins = self._manifest_pins()
        versions, gaps = self._cell_pins(pins.keys() | requested)
        for gap in gaps:
            # The version in versions.toml belongs to another torch.
            pins.pop(gap.name, None)
        cell_pins = frozenset(versions) | {gap.name for gap in gaps}
        for name, version in versions.items():
            path = pins[name].path if name in pins else ("compat", name)
            pins[name] = Pin(version, path, held=True)
            missing = self._missing_file(name, version)
            if missing is not None:
                gaps.append(missing)
        variant = replace(self.manifest.variants[self.group.variant], pins={})
        variants = {self.group.variant: variant}
        manifest = replace(self.manifest, target=self.target, variants=variants, pins=pins, images=images)
        return Scenario(manifest, self.group.variant, cell_pins, cell_pins - requested, tuple(gaps))

    def _manifest_pins(self) -> dict[str, Pin]:
        held = self.manifest.compat.held if self.manifest.compat is not None else frozenset()
        pins = self.manifest.pins_of(self.group.variant)
        for name in held & pins.keys():
            pins[name] = replace(pins[name], held=True)
        return pins

    def _cell_pins(self, known: set[str]) -> tuple[dict[str, Version], list[Gap]]:
        """The versions that the cell pins; with torch, also its partners among the ``known`` packages."""
        versions: dict[str, Version] = {}
        gaps: list[Gap] = []
        for name, value in self.cell.at.items():
            if name not in {PYTHON, VARIANT, TORCH}:
                versions[name] = self._version_on_index(name, value)
        for name, member in self._torch_family().items():
            # An axis of the cell takes precedence over the pair table.
            if name != TORCH and (name in self.cell.at or name not in known):
                continue
            if member.version is None:
                reason = f"no metadata says which {name} goes with torch {self.cell.at[TORCH]}"
                gaps.append(Gap(name, reason, CellStatus.UNKNOWN))
            else:
                versions[name] = self._version_on_index(name, member.version)
        return versions, gaps

    def _torch_family(self) -> dict[str, Member]:
        """Torch and its partners, sorted by name; empty if torch is not an axis."""
        if TORCH not in self.cell.at:
            return {}
        torch = self.cell.at[TORCH]
        members = {**self.pairs[torch].members, TORCH: Member(torch)}
        return dict(sorted(members.items()))

    def _version_on_index(self, name: str, version: str) -> Version:
        """``version`` with the local part of the builds on the index that ``name`` comes from."""
        index = self.manifest.index_of(name, self.group.variant)
        if index is None:
            return Version(version)
        local = index.accelerator
        pin = self.manifest.pins_of(self.group.variant).get(name)
        if pin is not None and pin.version.local:
            local = pin.version.local
        return Version(f"{version}+{local}") if local else Version(version)

    def _missing_file(self, name: str, version: Version) -> Gap | None:
        """The gap if the explicit index of ``name`` has no file for it; None if it has one, or there is no such index.

        A record may be incomplete. So a file that is missing there is a "no" only if it is known not to exist.
        """
        index = self.manifest.index_of(name, self.group.variant)
        if index is None or index.name not in self.indexes:
            return None
        explicit = self.indexes[index.name]
        if _has_file(explicit, name, version, self.target):
            return None
        python = self.target.python
        missing = f"{index.name} has no {name} {version} for Python {python}"
        if not explicit.recorded:
            return Gap(name, f"index {missing}", CellStatus.NO)
        missing = f"the record of {missing}"
        pythons = self._pythons_on_default_index(name, version)
        if pythons is None:
            return Gap(name, missing, CellStatus.UNKNOWN)
        if python in pythons:
            return Gap(name, f"{missing}; the default index has {version.public} for it", CellStatus.UNKNOWN)
        reason = f"{name} {version.public} has no wheel for Python {python}, here or on the default index"
        if pythons:
            reason += f" (it has wheels for {pythons[0]} to {pythons[-1]})"
        return Gap(name, reason, CellStatus.NO)

    def _pythons_on_default_index(self, name: str, version: Version) -> tuple[str, ...] | None:
        release = self.pairs.get(self.cell.at.get(TORCH, ""))
        if release is None or name not in release.members:
            return None
        member = release.members[name]
        return member.pythons if member.version == version.public else None


def _has_file(index: ExplicitIndex, name: str, version: Version, target: Target) -> bool:
    if name not in index.pages:
        return False
    # A file without metadata cannot be resolved, so it does not count.
    files = [file.name for file in index.pages[name].files if file.name in index.metadata]
    return any(_is_wheel_of(file, version, target) for file in files)


def _is_wheel_of(filename: str, version: Version, target: Target) -> bool:
    try:
        _, found, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return False
    return found == version and any(tag in target.ranks for tag in tags)
