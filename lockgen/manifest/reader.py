"""versions.toml to Manifest: every fault at once, each with its dotted path, line and column.

The shape is checked first (`table_reader.py`, `schema.py`). The readers here check what needs more than one value:
references, cycles, names given twice.
"""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import replace

from lockgen.core.close_match import close_match
from lockgen.core.documents import parse_toml_once
from lockgen.core.key_path import KeyPath
from lockgen.core.layout import variable
from lockgen.core.manifest import IgnoredAdvisory, Index, Manifest, Unimported, User, Variant
from lockgen.core.target import GLIBC_MINORS, Target
from lockgen.errors import BadInput, Place
from lockgen.manifest.accelerator_checks import check_accelerators
from lockgen.manifest.base_image_checks import check_base_images
from lockgen.manifest.compat_reader import CompatReader
from lockgen.manifest.faults import FaultCollector
from lockgen.manifest.field_checks import check_characters, check_folder, check_reason, check_url
from lockgen.manifest.image_reader import ImageReader, read_budget, read_limits
from lockgen.manifest.package_reader import PackageReader
from lockgen.manifest.resolvable_file import ResolvableFile, is_beside_resolution
from lockgen.manifest.schema_errors import SchemaError, explain, type_name
from lockgen.manifest.table_reader import UnlikeSchema, read_tables
from lockgen.manifest.tables import FamilyTable, VersionsFile
from lockgen.manifest.update_policy_reader import UpdatePolicyReader

# Names that would collide with other files next to the variants' folders in locks/.
_RESERVED_VARIANTS = {"index", "lock.json"}
_OF_POLICIES = {"family", "variants", "pins", "common", "bases", "stages"}
_TOML_POSITION = re.compile(r"\(at line (\d+), column (\d+)\)")


def parse_manifest(data: bytes, file: str = "versions.toml") -> Manifest:
    """Read versions.toml.

    Raises:
        BadInput: with one fault for everything that is wrong with the file.
        ResolvableFile: likewise, and the rest of the file can be resolved.
    """
    text = _decode(data, file)
    document = _load(text, file)
    faults = FaultCollector(file, text)
    versions = _validate(document, text, faults)
    others = faults.empty_copy() if faults.has_any else faults
    manifest = _ManifestReader(versions, others).read()
    if faults.has_any and others is not faults:
        # A value that is not printable gets no second fault.
        faults.take(others, lambda path, message: True)
    if faults.has_any:
        raise _error(faults, text, manifest)
    return manifest


def _error(faults: FaultCollector, text: str, manifest: Manifest | None) -> BadInput:
    error = faults.error()
    if manifest is None or not manifest.images or not faults.all_at(is_beside_resolution):
        return error
    return ResolvableFile(error.faults, text, manifest)


def _decode(data: bytes, file: str) -> str:
    if data.startswith(codecs.BOM_UTF8):
        hint = "save it as UTF-8 without one (TOML)"
        raise BadInput("it begins with a byte order mark", place=Place(file, 1, 1), hint=hint)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        start_of_line = before.rfind(b"\n") + 1
        place = Place(file, line, error.start - start_of_line + 1)
        wrong = data[error.start]
        hint = "save the file as UTF-8 (TOML requires it)"
        raise BadInput(f"not UTF-8: byte 0x{wrong:02x}", place=place, hint=hint) from error


def _load(text: str, file: str) -> dict[str, object]:
    try:
        return parse_toml_once(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error).partition(" (at ")[0]
        message = message[:1].lower() + message[1:]
        hint = 'strings in quotes, one `key = value` a line, tables in [brackets]: as in numpy = "2.0.0"'
        raise BadInput(f"broken TOML: {message}", place=_place_of(error, text, file), hint=hint) from error
    except ValueError as error:
        # Arrays nested thousands deep, integers of thousands of digits: limits of Python, not of TOML.
        reason = str(error).partition(";")[0].lower()
        hint = "use less nesting, and shorter numbers"
        raise BadInput(f"the file cannot be read: {reason}", place=Place(file), hint=hint) from error


def _place_of(error: tomllib.TOMLDecodeError, text: str, file: str) -> Place:
    # TOMLDecodeError has attributes for the position only from Python 3.14 on.
    position = _TOML_POSITION.search(str(error))
    if position is not None:
        return Place(file, int(position[1]), int(position[2]))
    # "(at end of document)"
    return Place(file, text.count("\n") + 1, len(text) - text.rfind("\n"))


def _validate(document: dict[str, object], text: str, faults: FaultCollector) -> VersionsFile:
    try:
        versions = read_tables(document)
    except UnlikeSchema:
        versions = _validate_with_schema(document, text, faults)
    check_characters(document, faults)
    # pydantic compares with 1 by value, so true and 1.0 pass.
    version = document.get("format", 1)
    if type(version) is not int:
        faults.add(("format",), f"expected an integer, got {type_name(version)}", "format = 1")
    return versions


def _validate_with_schema(document: dict[str, object], text: str, faults: FaultCollector) -> VersionsFile:
    """Like `read_tables`, but with every fault."""
    # Imported here: pydantic takes long, and most files have no faults.
    from lockgen.manifest.schema import validate

    found = validate(document)
    if isinstance(found, VersionsFile):
        return found
    for error in found:
        faults.add(error.path, *explain(error))
    check_characters(document, faults)
    rest = _add_other_faults(document, found, faults)
    raise _error(faults, text, rest)


def _add_other_faults(
    document: dict[str, object], errors: list[SchemaError], faults: FaultCollector
) -> Manifest | None:
    """The faults of a file besides the ``errors`` of its shape, as far as these do not cause them.

    Returns what can be read of the file, if anything.
    """
    from lockgen.manifest.placeholders import Placeholders
    from lockgen.manifest.schema import validate

    placeholders = Placeholders(document)
    versions = validate(placeholders.replace(errors))
    # Not if one section as a whole has a wrong type or is missing.
    if not isinstance(versions, VersionsFile):
        return None
    others = faults.empty_copy()
    manifest = _ManifestReader(versions, others).read()
    faults.take(others, lambda path, message: not placeholders.may_cause(path, message))
    return manifest


class _ManifestReader:
    """The second pass over a valid document; every fault goes to ``faults``."""

    def __init__(self, versions: VersionsFile, faults: FaultCollector) -> None:
        self._versions = versions
        self._faults = faults
        self._add = faults.add
        self._add_duplicate = faults.add_duplicate
        self._packages = PackageReader(faults)

    def read(self) -> Manifest:
        """The manifest. It is incomplete if there are faults, which are only collected."""
        versions = self._versions
        family = versions.family
        self._check_family(family)
        indexes = self._indexes()
        variants = self._variants(indexes)
        manifest = Manifest(
            family=family.name,
            registry=family.registry,
            target=Target.of_release(family.python, family.platform, family.glibc),
            exclude_newer=family.exclude_newer,
            indexes=indexes,
            variants=variants,
            pins=self._packages.pins(versions.pins, ("pins",)),
            build=frozenset(self._packages.names(family.build, ("family", "build"))),
            common=self._packages.requirements(versions.common.packages, ("common", "packages")),
            user=User(family.user, family.uid),
            budget=read_budget(versions.budgets),
            ignores=self._ignores(),
            unimported=self._unimported(),
            checks=read_limits(versions.checks),
            images=ImageReader(versions, variants, self._faults).read(),
        )
        check_accelerators(manifest, self._add)
        check_base_images(manifest, self._add)
        # Without a pin or an image, they would have faults that are not theirs.
        if self._faults.has_in(_OF_POLICIES):
            return manifest
        return self._with_policies(manifest)

    def _with_policies(self, manifest: Manifest) -> Manifest:
        """Add [compat] and [update]: both refer to the pins and variants of the manifest."""
        versions = self._versions
        if versions.compat is not None:
            compat = CompatReader(versions.compat, manifest, self._add).read()
            manifest = replace(manifest, compat=compat)
        if versions.update is not None:
            policy = UpdatePolicyReader(versions.update, manifest, self._add).read()
            manifest = replace(manifest, update=policy)
        return manifest

    # -- [family] ----------------------------------------------------------------

    def _check_family(self, family: FamilyTable) -> None:
        self._check_exclude_newer(family)
        minor = int(family.glibc.split(".")[1])
        if minor not in GLIBC_MINORS:
            message = f"{family.glibc!r} is not a glibc version that uv supports"
            hint = "2.17, 2.28, or 2.31 to 2.40: take the next lower one"
            self._add(("family", "glibc"), message, hint)
        if family.user == "root":
            message = "images run as an unprivileged user, not as root"
            self._add(("family", "user"), message, "name another")

    def _check_exclude_newer(self, family: FamilyTable) -> None:
        path: KeyPath = ("family", "exclude-newer")
        when = family.exclude_newer
        if when is None:
            return
        if when.tzinfo is None:
            hint = "write 2025-11-04T00:00:00Z for UTC, or end it with an offset such as +01:00"
            self._add(path, "exclude-newer has no UTC offset", hint)
        elif not 1 < when.year < 9999:
            # In UTC, the first and the last year could leave the range of datetime.
            self._add(path, "exclude-newer is out of range", "a year between 2 and 9998")

    # -- [index] and [variants] --------------------------------------------------

    def _indexes(self) -> dict[str, Index]:
        indexes = {}
        for name, table in self._versions.index.items():
            path: KeyPath = ("index", name)
            url, recorded = table.url, table.recorded
            check_url(url, (*path, "url"), self._add)
            packages = self._packages.names(table.packages, (*path, "packages"))
            if recorded is not None:
                check_folder(recorded, (*path, "recorded"), self._add)
            indexes[name] = Index(name, url, frozenset(packages), recorded)
        return indexes

    def _variants(self, indexes: Collection[str]) -> dict[str, Variant]:
        variants: dict[str, Variant] = {}
        for name, table in self._versions.variants.items():
            path: KeyPath = ("variants", name)
            if name in _RESERVED_VARIANTS:
                message = f"a variant cannot be called `{name}`"
                self._add(path, message, "that name is reserved in locks/")
            index = table.index
            if index is not None and index not in indexes:
                hint = close_match(index, indexes)
                self._add((*path, "index"), f"unknown index `{index}`", hint)
                index = None
            pins = self._packages.pins(table.pins, (*path, "pins"))
            self._check_variable(name, variants)
            variants[name] = Variant(name, table.from_, index, pins, table.ppa)
        return variants

    def _check_variable(self, name: str, earlier: Iterable[str]) -> None:
        """Bake has a variable for the base image of each variant; two variants must not share one."""
        for other in earlier:
            if variable(other) == variable(name):
                message = f"variants `{other}` and `{name}` would share the bake variable {variable(name)}"
                hint = "rename one: it has to differ by more than `.`, `_` and `-`"
                self._add(("variants", name), message, hint)
                return

    # -- [audit] and [lint] ------------------------------------------------------

    def _ignores(self) -> tuple[IgnoredAdvisory, ...]:
        found: dict[str, IgnoredAdvisory] = {}
        for position, entry in enumerate(self._versions.audit.ignore):
            path: KeyPath = ("audit", "ignore", position)
            check_reason(entry.reason, (*path, "reason"), self._add)
            # Identifiers of advisories are not case-sensitive.
            key = entry.id.casefold()
            first = found.get(key)
            if first is not None:
                self._add_duplicate((*path, "id"), entry.id, first.id)
                continue
            reason = entry.reason.strip()
            found[key] = IgnoredAdvisory(entry.id, reason, entry.until, path)
        return tuple(found.values())

    def _unimported(self) -> dict[str, Unimported]:
        found: dict[str, Unimported] = {}
        for text, reason in self._versions.lint.unimported.items():
            path: KeyPath = ("lint", "unimported", text)
            name = self._packages.name(text, path)
            check_reason(reason, path, self._add)
            if name is None:
                continue
            if name in found:
                first = str(found[name].path[-1])
                self._add_duplicate(path, text, first)
            else:
                found[name] = Unimported(reason.strip(), path)
        return found
