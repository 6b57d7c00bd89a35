"""[update] of versions.toml to Policy: patterns that hold something, steps, ignores, names of branches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from packaging.utils import canonicalize_name

from lockgen.core.close_match import close_match
from lockgen.core.image_reference import parse_reference
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Manifest
from lockgen.core.update_policy import BASES_GROUP, SEEN_BRANCH, GroupPolicy, IgnoreRule, Policy
from lockgen.manifest.compat_reader import AddFault, as_bound
from lockgen.manifest.schema import GroupTable, UpdateTable

Text = TypeVar("Text", bound=str)
_HERE: KeyPath = ("update",)
_NEVER = (".lock", ".", "/")
"""How no part of a branch's name ends (git-check-ref-format)."""


class Allowed:
    """Reads one [update] table; every fault goes to ``add``."""

    def __init__(self, table: UpdateTable, manifest: Manifest, add: AddFault) -> None:
        self.table = table
        self.add = add
        self.variants = manifest.variants
        tables = (manifest.pins, *(variant.pins for variant in manifest.variants.values()))
        self.pinned = {name for pins in tables for name in pins}
        self.images = {parse_reference(variant.from_image).name for variant in manifest.variants.values()}

    def read(self) -> Policy:
        for key, text in (("base", self.table.base), ("prefix", self.table.prefix)):
            if text is not None:
                self._branch(text, (*_HERE, key))
        return Policy(
            groups=tuple(self._groups()),
            ignore=tuple(self._ignored()),
            steps=tuple(self._once(self.table.steps, (*_HERE, "steps"))),
            cooldown=self.table.cooldown,
            max_open=self.table.max_open,
            labels=tuple(self._once(self.table.labels, (*_HERE, "labels"))),
            base=self.table.base,
            prefix=self.table.prefix,
            forge=self.table.forge,
            move_cut_off=self.table.move_exclude_newer,
            base_images=self.table.base_images,
        )

    def _branch(self, text: str, path: KeyPath) -> None:
        parts = text.split("/")
        if ".." in text or any(part.endswith(_NEVER) for part in parts):
            self.add(path, f"{text!r} is not a valid branch name", "no `..`, and no part that ends in `.lock`")

    def _groups(self) -> Iterable[GroupPolicy]:
        taken: dict[str, str] = {}
        held: dict[str, str] = {}
        for name, table in self.table.groups.items():
            path = (*_HERE, "groups", name)
            patterns = tuple(self._patterns(name, table, path, taken))
            images = tuple(self._images(name, table, path, held))
            self._check_name(name, table, patterns)
            steps = table.steps if table.steps is not None else self.table.steps
            kept = tuple(self._once(steps, (*path, "steps")))
            yield GroupPolicy(name, patterns, kept, table.cooldown, table.partial, images)

    def _check_name(self, name: str, table: GroupTable, patterns: Sequence[str]) -> None:
        """The name of a group is part of its branch, so no two things may have the same one."""
        path = (*_HERE, "groups", name)
        self._branch(name, path)
        if name == SEEN_BRANCH:
            self.add(path, f"a group cannot be called `{name}`", "a branch of lockgen's own has that name")
        if name == BASES_GROUP:
            if table.packages:
                hint = "rename it: base images that no group holds have a branch of that name"
                self.add(path, f"the group `{name}` holds packages", hint)
        elif not table.packages and not table.base_images:
            self.add(path, f"group `{name}` holds nothing", "name `packages`, or `base-images`")
        is_own = any(fnmatchcase(name, pattern) for pattern in patterns)
        if name in self.pinned and not is_own:
            hint = "rename the group, or let it hold that package: both would have one branch"
            self.add(path, f"group `{name}` has the name of a package that it does not hold", hint)

    def _patterns(self, name: str, table: GroupTable, path: KeyPath, taken: dict[str, str]) -> Iterable[str]:
        for position, text in enumerate(table.packages):
            here = (*path, "packages", position)
            pattern = canonical(text)
            held = {package for package in self.pinned if fnmatchcase(package, pattern)}
            if not held:
                self.add(here, f"no pin is called `{text}`", close_match(text, self.pinned))
            elif pattern in taken:
                self.add(here, f"`{text}` is in group `{taken[pattern]}` already", "keep one of them")
            taken.setdefault(pattern, name)
            yield pattern

    def _images(self, name: str, table: GroupTable, path: KeyPath, taken: dict[str, str]) -> Iterable[str]:
        for position, pattern in enumerate(table.base_images):
            here = (*path, "base-images", position)
            if not any(fnmatchcase(image, pattern) for image in self.images):
                self.add(here, f"no variant stands on `{pattern}`", close_match(pattern, self.images))
            elif pattern in taken:
                self.add(here, f"`{pattern}` is in group `{taken[pattern]}` already", "keep one of them")
            taken.setdefault(pattern, name)
            yield pattern

    def _ignored(self) -> Iterable[IgnoreRule]:
        for position, entry in enumerate(self.table.ignore):
            path = (*_HERE, "ignore", position)
            bound = as_bound(entry.versions) if entry.versions is not None else None
            if entry.versions is not None and bound is None:
                message = f"{entry.versions!r} is not a version specifier"
                self.add((*path, "versions"), message, 'as in ">=3" or "2.1.*"')
            if entry.variant is not None and entry.variant not in self.variants:
                hint = close_match(entry.variant, self.variants)
                self.add((*path, "variant"), f"no variant is called `{entry.variant}`", hint)
            if (entry.package is None) == (entry.base_image is None):
                self.add(path, "it names not one thing to leave out", "`package`, or `base-image`")
            elif entry.base_image is not None:
                if entry.variant is not None:
                    self.add((*path, "variant"), "`variant` does not go with `base-image`", "leave it out")
                yield IgnoreRule(entry.base_image, bound, entry.reason, image=True)
            else:
                # A package without a pin may be named too; the lock is not known here.
                yield IgnoreRule(canonical(str(entry.package)), bound, entry.reason, variant=entry.variant)

    def _once(self, values: list[Text], path: KeyPath) -> list[Text]:
        for position, text in enumerate(values):
            if text in values[:position]:
                self.add((*path, position), f"`{text}` is named twice", "keep one of them")
        return list(dict.fromkeys(values))


def canonical(pattern: str) -> str:
    """A pattern with the canonical spelling of names (PEP 503), its `*` and `?` kept."""
    return str(canonicalize_name(pattern))
