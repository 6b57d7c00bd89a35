"""The cells of the compatibility matrix: the product of its axes, the groups of images, and what each cell requires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from packaging.utils import InvalidWheelFilename
from packaging.version import Version

from lockgen.compat.model import Axis, Cell, CellStatus, ImageGroup
from lockgen.core.compat_axes import PYTHON, TORCH, VARIANT, Compat, Declared, Exclusion, Pairs
from lockgen.core.index import ExplicitIndex
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Image, Manifest, Pin
from lockgen.core.parsing import parse_specifiers, parse_version, parse_wheel_filename
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
    releases = {parse_version(version.public) for version in versions if not version.is_prerelease}
    specifier = parse_specifiers(bound)
    matching = sorted(specifier.filter(releases))
    return tuple(str(version) for version in matching)


def _no_version_matches(declared: Declared) -> Fault:
    message = f"the index has no version of {declared.name} that matches {declared.bound}"
    return Fault(message, hint="widen the bound, or list the versions", path=declared.path)


def cells_of(compat: Compat, axes: Sequence[Axis]) -> tuple[Cell, ...]:
    """Every combination, in the order of the axes' values. Excluded cells are marked.

    Raises:
        BadInput: an exclusion matches no cell, or every cell is excluded.
    """
    used: set[KeyPath] = set()
    cells = []
    for cell in _product(axes):
        matching = [exclusion.path for exclusion in compat.exclude if _matches_exclusion(cell, exclusion)]
        used.update(matching)
        cells.append(replace(cell, excluded=bool(matching)))
    faults = _unused_exclusions(compat.exclude, used)
    if not faults and all(cell.excluded for cell in cells):
        faults = [Fault("every cell is excluded", hint="exclude fewer cells", path=("compat", "exclude"))]
    if faults:
        raise BadInput.of(faults)
    return tuple(cells)


def _product(axes: Sequence[Axis]) -> Iterable[Cell]:
    names = [axis.name for axis in axes]
    values_by_axis = [axis.values for axis in axes]
    for values in product(*values_by_axis):
        at = dict(zip(names, values, strict=True))
        yield Cell(at)


def _unused_exclusions(exclusions: Sequence[Exclusion], used: set[KeyPath]) -> list[Fault]:
    faults = []
    for exclusion in exclusions:
        if exclusion.path not in used:
            hint = "check the values of the axes, or remove it"
            faults.append(Fault("this exclusion matches no cell", hint=hint, path=exclusion.path))
    return faults


def _matches_exclusion(cell: Cell, exclusion: Exclusion) -> bool:
    bounds = exclusion.bounds.items()
    return all(_matches_bound(axis, bound, cell.at[axis]) for axis, bound in bounds)


def _matches_bound(axis: str, bound: str, value: str) -> bool:
    if axis == VARIANT:
        return bound == value
    has_operator = bound[:1] in "<>=!~"
    specifier = parse_specifiers(bound if has_operator else f"=={bound}")
    return specifier.contains(value, prereleases=True)


def unknown_torch_releases(compat: Compat, axes: Sequence[Axis], pairs: Pairs) -> list[Fault]:
    """A fault for each torch release that is not in the pair table."""
    values = {axis.name: axis.values for axis in axes}
    faults: list[Fault] = []
    for declared in compat.axes:
        if declared.name == TORCH:
            unknown = [version for version in values[TORCH] if version not in pairs]
            faults += [_unknown_torch(version, declared) for version in unknown]
    return faults


def _unknown_torch(version: str, declared: Declared) -> Fault:
    message = f"torch {version} is not in the pair table"
    hint = f'run `lockgen pairs --refresh`, or declare it: [compat.pairs."{version}"] torchaudio = "…"'
    return Fault(message, hint=hint, path=declared.path_of(version))


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
            hint = f"use a name such as {cells[0].name!r}, or a part of one"
            raise BadInput(f"no cell matches {name!r}", hint=hint)
        selected.update(matching)
    return tuple(cell for cell in cells if cell.name in selected)


def _parse_cell_name(name: str, axes: Sequence[Axis]) -> dict[str, str]:
    """The values that ``name`` selects, by axis."""
    parts = name.replace(",", " ").split()
    if "=" not in name and len(parts) == len(axes):
        # nox names its sessions by the values alone, in the order of the axes.
        parts = [f"{axis.name}={part}" for axis, part in zip(axes, parts, strict=True)]
    selected: dict[str, str] = {}
    for part in parts:
        axis_name, _, value = part.partition("=")
        axis = next((axis for axis in axes if axis.name == axis_name), None)
        if axis is None:
            raise _unknown_axis(part, axes)
        if value not in axis.values:
            known = ", ".join(axis.values)
            raise BadInput(f"{axis_name} has no value {value!r}", hint=f"known values: {known}")
        selected[axis_name] = value
    return selected


def _unknown_axis(part: str, axes: Sequence[Axis]) -> BadInput:
    known = ", ".join(axis.name for axis in axes)
    return BadInput(f"{part!r} does not name an axis", hint=f"known axes: {known}; for example python=3.11")


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
    heads = _heads(images)
    for head in sorted(heads):
        names = {image.name for image in manifest.chain(head)}
        # A base with its own stages is solved in its own group only.
        names -= heads - {head}
        for image in images:
            if image.kind == "stage" and image.base == head:
                names.add(image.name)
        yield ImageGroup(f"{head}:{variant}", variant, tuple(sorted(names)))


def _heads(images: Iterable[Image]) -> set[str]:
    """The uppermost base of each group: the bases that have stages, or that no other base builds on."""
    bases: set[str] = set()
    with_stages: set[str | None] = set()
    extended: set[str | None] = set()
    for image in images:
        if image.kind == "base":
            bases.add(image.name)
            extended.add(image.base)
        else:
            with_stages.add(image.base)
    return {base for base in bases if base in with_stages or base not in extended}


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
    """One group in one cell as a family: one variant without its own pins, the cell's Python, and the cell's held pins.

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
        pins = {name: pin for name, pin in self.manifest.pins.items() if name not in self.unrequested}
        return Scenario(
            manifest=replace(self.manifest, pins=pins),
            variant=self.variant,
            cell_pins=self.cell_pins - self.unrequested,
            unrequested=frozenset(),
            gaps=(),
        )

    @property
    def declared_packages(self) -> frozenset[str]:
        """The packages that versions.toml names here: the pinned and the requested ones."""
        requested = _requested(self.manifest, self.manifest.images.values())
        return self.cell_pins | requested | self.manifest.pins.keys()


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
        python = self.cell.at.get(PYTHON, target.python)
        # Another minor version has other patch releases.
        return target if python == target.python else replace(target, python=python, patch=None)

    @property
    def variant(self) -> str:
        return self.group.variant

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
        # pins_of(variant) has merged them into ``pins``.
        variant = replace(self.manifest.variants[self.variant], pins={})
        manifest = replace(
            self.manifest,
            target=self.target,
            variants={self.variant: variant},
            pins=pins,
            images=images,
        )
        return Scenario(
            manifest=manifest,
            variant=self.variant,
            cell_pins=cell_pins,
            unrequested=cell_pins - requested,
            gaps=tuple(gaps),
        )

    def _manifest_pins(self) -> dict[str, Pin]:
        pins = self.manifest.pins_of(self.variant)
        compat = self.manifest.compat
        if compat is not None:
            for name in compat.held & pins.keys():
                pins[name] = pins[name]._replace(held=True)
        return pins

    def _cell_pins(self, known: set[str]) -> tuple[dict[str, Version], list[Gap]]:
        """The versions that the cell pins; with torch, also its partners among the ``known`` packages."""
        versions: dict[str, Version] = {}
        gaps: list[Gap] = []
        for name, value in self.cell.at.items():
            if name not in {PYTHON, VARIANT, TORCH}:
                versions[name] = self._version_on_index(name, value)
        for name, version in self._torch_family(known).items():
            if version is None:
                reason = f"no known {name} release belongs to torch {self.cell.at[TORCH]}"
                gaps.append(Gap(name, reason, CellStatus.UNKNOWN))
            else:
                versions[name] = self._version_on_index(name, version)
        return versions, gaps

    def _torch_family(self, known: set[str]) -> dict[str, str | None]:
        """The versions of torch and its partners, sorted by name; empty if torch is not an axis."""
        torch = self.cell.at.get(TORCH)
        if torch is None:
            return {}
        versions: dict[str, str | None] = {TORCH: torch}
        for name, member in self.pairs[torch].members.items():
            # An axis of the cell takes precedence over the pair table.
            if name in known and name not in self.cell.at:
                versions[name] = member.version
        return dict(sorted(versions.items()))

    def _version_on_index(self, name: str, version: str) -> Version:
        """``version`` with the local part of the builds on the index that ``name`` comes from."""
        index = self.manifest.index_of(name, self.variant)
        if index is None:
            return parse_version(version)
        pin = self.manifest.pins_of(self.variant).get(name)
        local = pin.version.local if pin is not None else None
        local = local or index.accelerator
        if local:
            version += f"+{local}"
        return parse_version(version)

    def _missing_file(self, name: str, version: Version) -> Gap | None:
        """The gap if ``name`` has an explicit index, but that has no file for the pin.

        A record may be incomplete. So a file that is missing there is a "no" only if it is known not to exist.
        """
        index = self.manifest.index_of(name, self.variant)
        if index is None or index.name not in self.indexes:
            return None
        explicit = self.indexes[index.name]
        if _has_file(explicit, name, version, self.target):
            return None
        missing = f"{index.name} has no {name} {version} for Python {self.target.python}"
        if explicit.recorded:
            return self._gap_of_record(name, version, f"the record of {missing}")
        return Gap(name, f"index {missing}", CellStatus.NO)

    def _gap_of_record(self, name: str, version: Version, missing: str) -> Gap:
        python = self.target.python
        release = version.public
        pythons = self._pythons_on_default_index(name, release)
        if pythons is None:
            return Gap(name, missing, CellStatus.UNKNOWN)
        if python in pythons:
            return Gap(name, f"{missing}; the default index has {release} for it", CellStatus.UNKNOWN)
        reason = f"{name} {release} has no wheel for Python {python}, here or on the default index"
        if pythons:
            reason += f" (it has wheels for {pythons[0]} to {pythons[-1]})"
        return Gap(name, reason, CellStatus.NO)

    def _pythons_on_default_index(self, name: str, version: str) -> tuple[str, ...] | None:
        """The Pythons with a wheel of ``version``; None if the pair table does not have it."""
        torch = self.cell.at.get(TORCH, "")
        release = self.pairs.get(torch)
        member = release.members.get(name) if release is not None else None
        if member is None or member.version != version:
            return None
        return member.pythons


def _has_file(index: ExplicitIndex, name: str, version: Version, target: Target) -> bool:
    if name not in index.pages:
        return False
    for file in index.pages[name].files:
        # A file without metadata is not offered to a resolver.
        if file.name in index.metadata and _is_wheel_of(file.name, version, target):
            return True
    return False


def _is_wheel_of(filename: str, version: Version, target: Target) -> bool:
    try:
        _, found, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return False
    return found == version and any(tag in target.ranks for tag in tags)
