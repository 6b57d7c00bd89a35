"""[bases] and [stages] of versions.toml: images, each with the base that it builds on and its variants."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

from packaging.utils import canonicalize_name

from lockgen.core.close_match import close_match
from lockgen.core.key_path import KeyPath
from lockgen.core.layout import CACHES, MODELS, target_name
from lockgen.core.manifest import Budget, CheckLimits, DeclaredRequirement, Image
from lockgen.manifest.faults import FaultCollector
from lockgen.manifest.field_checks import check_folder
from lockgen.manifest.package_reader import PackageReader
from lockgen.manifest.tables import BaseTable, BudgetsTable, ChecksTable, StageTable, VersionsFile

# Files next to a stage's program, in docker/IMAGE or in /app.
_RESERVED_PROGRAMS = {"dockerfile", "lock.txt", "self_check.py"}
_RESERVED_PREFIXES = ("requirements-", "build-")

_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class _Entry(NamedTuple):
    """The table of one image, and the section that it is in."""

    section: Literal["bases", "stages"]
    name: str
    table: BaseTable

    @property
    def path(self) -> KeyPath:
        return (self.section, self.name)


class ImageReader:
    """Reads the images of a family; every fault goes to ``faults``."""

    def __init__(self, versions: VersionsFile, variants: Collection[str], faults: FaultCollector) -> None:
        self._versions = versions
        self._variants = variants
        self._faults = faults
        self._add = faults.add
        self._add_duplicate = faults.add_duplicate
        self._packages = PackageReader(faults)
        self._entries: dict[str, _Entry] = {}
        self._requirements: dict[str, tuple[DeclaredRequirement, ...]] = {}
        self._images: dict[str, Image] = {}
        self._refused: set[str] = set()

    def read(self) -> dict[str, Image]:
        """The images by name; a base comes before the images that build on it.

        An image is left out if one of its bases is unknown, or builds on itself: that is a fault.
        """
        self._collect_entries()
        for name, entry in self._entries.items():
            self._requirements[name] = self._contents(entry)
        self._check_bases()
        self._check_cycles()
        for name in self._entries:
            self._add_with_bases(name)
        self._check_targets()
        self._check_preloads()
        return self._images

    def _collect_entries(self) -> None:
        entries = [_Entry("bases", name, base) for name, base in self._versions.bases.items()]
        entries += [_Entry("stages", name, stage) for name, stage in self._versions.stages.items()]
        # Names that differ by `.`, `_` and `-` only would be too easy to confuse.
        spellings: dict[str, str] = {}
        for entry in entries:
            canonical = canonicalize_name(entry.name)
            if canonical in spellings:
                self._add_duplicate(entry.path, entry.name, spellings[canonical])
                continue
            spellings[canonical] = entry.name
            self._entries[entry.name] = entry

    # -- one image ---------------------------------------------------------------

    def _contents(self, entry: _Entry) -> tuple[DeclaredRequirement, ...]:
        """Check folders and program of an image; return its requirements."""
        table, path = entry.table, entry.path
        self._check_folders(table.copy_, (*path, "copy"))
        self._check_folders(table.folders, (*path, "folders"))
        # Only a stage has a program.
        if isinstance(table, StageTable) and table.entrypoint is not None:
            self._check_program(entry, table.entrypoint)
        here = (*path, "packages")
        return self._packages.requirements(table.packages, here)

    def _check_folders(self, folders: Iterable[str], path: KeyPath) -> None:
        for position, folder in enumerate(folders):
            check_folder(folder, (*path, position), self._add)

    def _check_program(self, entry: _Entry, program: str) -> None:
        if program.casefold() in _RESERVED_PROGRAMS or program.startswith(_RESERVED_PREFIXES):
            message = f"a program cannot be called `{program}`"
            hint = f"that name is reserved for generated files in docker/{entry.name}/"
            self._add((*entry.path, "entrypoint"), message, hint)
        elif "." in program and not program.endswith((".py", ".pyz")):
            # The image runs it with Python, and lockgen writes a Python program if there is none yet.
            message = f"`{program}` is not a Python program"
            self._add((*entry.path, "entrypoint"), message, 'a name that ends in .py, as in "main.py"')

    # -- bases -------------------------------------------------------------------

    def _check_bases(self) -> None:
        bases, stages = self._versions.bases, self._versions.stages
        for entry in self._entries.values():
            base = entry.table.from_
            if base is None or base in bases:
                continue
            path = (*entry.path, "from")
            if base in stages:
                self._add(path, f"`{base}` is a stage, not a base", "move it to [bases.…]")
                continue
            # An image cannot be its own base, so the hint must not name it.
            others = [name for name in bases if name != entry.name]
            hint = close_match(base, others)
            self._add(path, f"unknown base `{base}`", hint)

    def _check_cycles(self) -> None:
        done: set[str] = set()
        for name in self._entries:
            trail: list[str] = []
            here: str | None = name
            while here is not None and here not in done and here not in trail:
                trail.append(here)
                # An unknown base is reported elsewhere; here the trail ends at it.
                entry = self._entries.get(here)
                here = entry.table.from_ if entry is not None else None
            if here in trail:
                cycle = [*trail[trail.index(here) :], here]
                message = f"bases form a cycle: {' -> '.join(cycle)}"
                self._add(("bases", here, "from"), message, "remove `from` from one of them")
            done.update(trail)

    def _add_with_bases(self, name: str) -> None:
        """Add an image after all that it builds on, unless one of them is unknown or builds on itself."""
        # A loop, not recursion: a chain may be longer than Python's stack.
        pending = [name]
        while pending:
            entry = self._entries[pending[-1]]
            base = entry.table.from_
            if base is not None and base not in self._images:
                if base not in self._versions.bases or base not in self._entries or base in self._refused:
                    self._refused.update(pending)
                    return
                # Of a cycle, too, no image is added.
                self._refused.add(entry.name)
                pending.append(base)
                continue
            pending.pop()
            self._refused.discard(entry.name)
            if entry.name not in self._images:
                self._images[entry.name] = self._image(entry)

    def _image(self, entry: _Entry) -> Image:
        table = entry.table
        return Image(
            name=entry.name,
            kind="base" if entry.section == "bases" else "stage",
            base=table.from_,
            variants=self._variants_of(entry),
            packages=self._requirements[entry.name],
            apt=tuple(table.apt),
            build_apt=tuple(table.build_apt),
            copy=tuple(table.copy_),
            env=dict(table.env),
            entrypoint=table.entrypoint if isinstance(table, StageTable) else None,
            folders=tuple(table.folders),
            preload=tuple(table.preload),
            budget=read_budget(table),
            check_imports=tuple(table.check_imports),
            tests=tuple(tuple(command) for command in table.tests),
        )

    # -- variants ----------------------------------------------------------------

    def _variants_of(self, entry: _Entry) -> tuple[str, ...]:
        base, wanted = entry.table.from_, entry.table.variants
        offered = self._images[base].variants if base else tuple(sorted(self._variants))
        if wanted is None:
            return offered
        if not wanted:
            message = f"`{entry.name}` is not built in any variant"
            self._add((*entry.path, "variants"), message, close_match("", self._variants))
        chosen: list[str] = []
        for position, variant in enumerate(wanted):
            path = (*entry.path, "variants", position)
            if variant not in self._variants:
                hint = close_match(variant, self._variants)
                self._add(path, f"unknown variant `{variant}`", hint)
            elif variant not in offered:
                message = f"its base `{base}` is not built in variant `{variant}`"
                self._add(path, message, "add it to the base")
            elif variant in chosen:
                self._add_duplicate(path, variant, variant)
            else:
                chosen.append(variant)
        # After a fault it counts as built in all variants: what builds on it gets no fault for that.
        return tuple(sorted(chosen)) if len(chosen) == len(wanted) and wanted else offered

    # -- images that exclude each other ------------------------------------------

    def _check_targets(self) -> None:
        """`a` in variant `b-c` and `a-b` in variant `c` are both `a-b-c` to bake: it would build one of them."""
        owners: dict[str, str] = {}
        for name, image in self._images.items():
            entry = self._entries[name]
            for variant in image.variants:
                target = target_name(name, variant)
                first = owners.get(target)
                if first is None:
                    owners[target] = f"`{name}` ([{entry.section}.{name}]) in variant `{variant}`"
                    continue
                second = f"`{name}` in variant `{variant}`"
                message = f"{first} and {second} have the same bake target `{target}`"
                self._add(entry.path, message, "rename one of the two images")

    def _check_preloads(self) -> None:
        """Report variables in `env` with which programs would not find the preloaded models of their image."""
        for name, image in self._images.items():
            owner = self._preloading(name)
            if owner is None:
                continue
            entry = self._entries[name]
            hidden = CACHES.keys() & image.env.keys()
            for key in sorted(hidden):
                message = f"{key} would hide what `preload` of `{owner}` puts under {MODELS}"
                self._add((*entry.path, "env", key), message, "remove it: the image sets it")

    def _preloading(self, name: str) -> str | None:
        """The image, or else the nearest of its bases, that preloads models; None if none does."""
        owner: str | None = name
        while owner is not None and not self._images[owner].preload:
            owner = self._images[owner].base
        return owner


def read_budget(table: BaseTable | BudgetsTable) -> Budget:
    """The size limits that a table sets."""
    return Budget(_bytes_or_none(table.max_image), _bytes_or_none(table.max_layer))


def read_limits(table: ChecksTable) -> CheckLimits:
    """[checks]: the limits of the commands that check an image."""
    return CheckLimits(table.seconds, _bytes(table.memory), table.network)


def _bytes_or_none(size: str | None) -> int | None:
    return _bytes(size) if size is not None else None


def _bytes(size: str) -> int:
    """A size such as "1.5 GB" in bytes. The schema accepts no other form."""
    # The longest unit first: "MB" ends with "B" too.
    by_length = sorted(_UNITS, key=len, reverse=True)
    unit = next(unit for unit in by_length if size.endswith(unit))
    number = float(size.removesuffix(unit))
    return round(number * _UNITS[unit])
