"""[update] of versions.toml to Policy: groups, steps, releases to ignore, names of branches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from lockgen.core.close_match import close_match
from lockgen.core.image_reference import parse_reference
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Manifest
from lockgen.core.update_policy import BASES_GROUP, SEEN_BRANCH, GroupPolicy, IgnoreRule, Policy
from lockgen.manifest.compat_reader import as_bound
from lockgen.manifest.faults import AddFault
from lockgen.manifest.field_checks import unique
from lockgen.manifest.tables import GroupTable, LeftOutEntry, UpdateStep, UpdateTable

_HERE: KeyPath = ("update",)
_FORBIDDEN_ENDS = (".lock", ".", "/")
"""How no part of a branch's name may end (git-check-ref-format)."""


class UpdatePolicyReader:
    """Reads one [update] table; every fault goes to ``add``."""

    def __init__(self, table: UpdateTable, manifest: Manifest, add: AddFault) -> None:
        self.table = table
        self.add = add
        self.variants = manifest.variants
        self.pinned = set(manifest.pins)
        self.images: set[str] = set()
        for variant in manifest.variants.values():
            self.pinned.update(variant.pins)
            self.images.add(parse_reference(variant.from_image).name)

    def read(self) -> Policy:
        table = self.table
        if table.base is not None:
            self._check_branch(table.base, (*_HERE, "base"))
        self._check_branch(table.prefix, (*_HERE, "prefix"))
        return Policy(
            groups=tuple(self._groups()),
            ignore=tuple(self._ignore_rules()),
            steps=tuple(unique(table.steps, (*_HERE, "steps"), self.add)),
            cooldown=table.cooldown,
            max_open=table.max_open,
            labels=tuple(unique(table.labels, (*_HERE, "labels"), self.add)),
            base=table.base,
            prefix=table.prefix,
            forge=table.forge,
            move_cut_off=table.move_exclude_newer,
            base_images=table.base_images,
            prove=table.prove,
        )

    def _check_branch(self, text: str, path: KeyPath) -> None:
        parts = text.split("/")
        if ".." in text or any(part.endswith(_FORBIDDEN_ENDS) for part in parts):
            self.add(path, f"{text!r} is not a valid branch name", "no `..`, and no part that ends in `.lock`")

    # -- groups ------------------------------------------------------------------

    def _groups(self) -> Iterator[GroupPolicy]:
        # By pattern, the group that it is in: no pin may move in two pull requests.
        of_packages: dict[str, str] = {}
        of_images: dict[str, str] = {}
        for name, table in self.table.groups.items():
            patterns = self._package_patterns(name, table, of_packages)
            images = self._image_patterns(name, table, of_images)
            self._check_name(name, table, patterns)
            yield GroupPolicy(
                name=name,
                patterns=patterns,
                steps=self._steps(name, table),
                cooldown=table.cooldown,
                partial=table.partial,
                images=images,
            )

    def _steps(self, group: str, table: GroupTable) -> tuple[UpdateStep, ...]:
        steps = self.table.steps if table.steps is None else table.steps
        path = (*_HERE, "groups", group, "steps")
        return tuple(unique(steps, path, self.add))

    def _check_name(self, name: str, table: GroupTable, patterns: Sequence[str]) -> None:
        """The name of a group is part of its branch, and no two branches may have the same name."""
        path = (*_HERE, "groups", name)
        self._check_branch(name, path)
        if name == SEEN_BRANCH:
            self.add(path, f"a group cannot be called `{name}`", "lockgen uses that branch itself")
        if name == BASES_GROUP:
            if table.packages:
                hint = "rename it: base images outside of all groups use the branch of that name"
                self.add(path, f"the group `{name}` contains packages", hint)
        elif not table.packages and not table.base_images:
            self.add(path, f"group `{name}` is empty", "name `packages`, or `base-images`")
        # A pin outside of all groups has a branch with the name of the package.
        contains_itself = any(fnmatchcase(name, pattern) for pattern in patterns)
        if name in self.pinned and not contains_itself:
            hint = "rename the group, or add that package to it: both would use the same branch"
            self.add(path, f"group `{name}` has the name of a package that it does not contain", hint)

    def _package_patterns(self, group: str, table: GroupTable, taken: dict[str, str]) -> tuple[str, ...]:
        patterns = []
        for position, text in enumerate(table.packages):
            path = (*_HERE, "groups", group, "packages", position)
            pattern = canonical(text)
            if not _matches_any(pattern, self.pinned):
                self.add(path, f"no pin matches `{text}`", close_match(text, self.pinned))
            elif pattern in taken:
                self._add_taken(path, text, taken[pattern])
            taken.setdefault(pattern, group)
            patterns.append(pattern)
        return tuple(patterns)

    def _image_patterns(self, group: str, table: GroupTable, taken: dict[str, str]) -> tuple[str, ...]:
        for position, pattern in enumerate(table.base_images):
            path = (*_HERE, "groups", group, "base-images", position)
            if not _matches_any(pattern, self.images):
                self.add(
                    path, f"no variant has a base image that matches `{pattern}`", close_match(pattern, self.images)
                )
            elif pattern in taken:
                self._add_taken(path, pattern, taken[pattern])
            taken.setdefault(pattern, group)
        return tuple(table.base_images)

    def _add_taken(self, path: KeyPath, pattern: str, group: str) -> None:
        self.add(path, f"`{pattern}` is in group `{group}` already", "keep one of them")

    # -- releases to ignore ------------------------------------------------------

    def _ignore_rules(self) -> Iterator[IgnoreRule]:
        for position, entry in enumerate(self.table.ignore):
            path = (*_HERE, "ignore", position)
            bound = self._bound(entry, path)
            variant = entry.variant
            if variant is not None and variant not in self.variants:
                hint = close_match(variant, self.variants)
                self.add((*path, "variant"), f"unknown variant `{variant}`", hint)
            rule = self._rule(entry, bound, path)
            if rule is not None:
                yield rule

    def _bound(self, entry: LeftOutEntry, path: KeyPath) -> SpecifierSet | None:
        if entry.versions is None:
            return None
        bound = as_bound(entry.versions)
        if bound is None:
            message = f"{entry.versions!r} is not a version specifier"
            self.add((*path, "versions"), message, 'as in ">=3" or "2.1.*"')
        return bound

    def _rule(self, entry: LeftOutEntry, bound: SpecifierSet | None, path: KeyPath) -> IgnoreRule | None:
        if entry.package is not None and entry.base_image is None:
            # A package without a pin is valid: the lock, which is not known here, may contain it.
            return IgnoreRule(canonical(entry.package), bound, entry.reason, variant=entry.variant)
        if entry.base_image is not None and entry.package is None:
            if entry.variant is not None:
                self.add((*path, "variant"), "an entry with `base-image` cannot have `variant`", "remove it")
            return IgnoreRule(entry.base_image, bound, entry.reason, image=True)
        hint = "write one entry for each package or base image"
        self.add(path, "an entry needs either `package` or `base-image`", hint)
        return None


def canonical(pattern: str) -> str:
    """A pattern with the canonical spelling of names (PEP 503), its `*` and `?` kept."""
    return str(canonicalize_name(pattern))


def _matches_any(pattern: str, names: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)
