"""versions.toml to Manifest: every fault at once, each with its dotted path, line and column."""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import ValidationError

from lockgen.core import accelerator
from lockgen.core.close_match import close_match as close_match
from lockgen.core.key_path import KeyPath
from lockgen.core.layout import CACHES, MODELS, target_name, variable
from lockgen.core.manifest import (
    Budget,
    DeclaredRequirement,
    IgnoredAdvisory,
    Image,
    Index,
    Manifest,
    Pin,
    Unimported,
    User,
    Variant,
)
from lockgen.core.target import GLIBC_MINORS, Target
from lockgen.core.toml_positions import TomlPositions, dotted
from lockgen.errors import BadInput, Fault, Place
from lockgen.manifest.compat_reader import Declaration
from lockgen.manifest.schema import (
    MEANING,
    BaseTable,
    BudgetsTable,
    PinValue,
    StageTable,
    VersionsFile,
    keys_of,
    table_at,
)
from lockgen.manifest.update_policy_reader import Allowed

# Names that would collide with other files next to the variants' folders in locks/.
_RESERVED_VARIANTS = {"index", "lock.json"}
_RESERVED_FOLDERS = {".git", ".lockgen"}
# Files next to a stage's program, in docker/IMAGE or in /app.
_RESERVED_PROGRAMS = {"dockerfile", "lock.txt", "self_check.py"}


@dataclass
class _Faults:
    """Collects faults; a path that the file does not hold is placed at its nearest parent that it does."""

    file: str
    text: str
    found: list[Fault] = field(default_factory=list)

    def add(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        positions = TomlPositions(self.text)
        known = path
        position = positions.find(known)
        while position is None and known:
            known = known[:-1]
            position = positions.find(known)
        line, column = position or (None, None)
        place = Place(self.file, line, column, dotted(path) or None)
        self.found.append(Fault(message, place, hint))

    def stop_if_any(self) -> None:
        if self.found:
            raise BadInput.of(sorted(self.found, key=lambda f: (f.place.line or 0) if f.place else 0))


def parse_manifest(data: bytes, file: str = "versions.toml") -> Manifest:
    """Reads versions.toml.

    Raises:
        BadInput: with one fault for everything that is wrong with the file.
    """
    text = _decode(data, file)
    document = _load(text, file)
    faults = _Faults(file, text)
    try:
        versions = VersionsFile.model_validate(document)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _explain(
                faults,
                document,
                detail["type"],
                detail["loc"],
                dict(detail.get("ctx") or {}),
                detail["input"],
            )
        faults.stop_if_any()
        raise
    written = document.get("format", 1)
    if type(written) is not int:  # true and 1.0 are equal to 1, and pass
        faults.add(("format",), f"expected an integer, got {_NAMES[type(written)]}", "format = 1")
    manifest = _Builder(versions, faults).build()
    faults.stop_if_any()
    return manifest


def _decode(data: bytes, file: str) -> str:
    if data.startswith(codecs.BOM_UTF8):
        raise BadInput(
            "it begins with a byte order mark", place=Place(file, 1, 1), hint="save it as UTF-8 without one (TOML)"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = Place(file, before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        raise BadInput(
            f"not UTF-8: byte 0x{data[error.start]:02x}",
            place=place,
            hint="save the file as UTF-8 (TOML asks for it)",
        ) from error


def _load(text: str, file: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # "... (at line 3, column 7)": TOMLDecodeError has attributes for it only from Python 3.14 on.
        message, _, where = str(error).partition(" (at ")
        numbers = [int(word.strip(",)")) for word in where.split() if word.strip(",)").isdigit()]
        if len(numbers) == 2:
            place = Place(file, numbers[0], numbers[1])
        else:
            place = Place(file, text.count("\n") + 1, len(text) - text.rfind("\n"))
        hint = 'strings in quotes, one `key = value` a line, tables in [brackets]: as in numpy = "2.0.0"'
        raise BadInput(f"broken TOML: {message[:1].lower()}{message[1:]}", place=place, hint=hint) from error
    except (RecursionError, ValueError) as error:
        # Arrays thousands deep, integers of thousands of digits: Python's limits, not TOML's.
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error).partition(";")[0].lower()
        raise BadInput(f"the file cannot be read: {reason}", place=Place(file), hint="no value needs that") from error


_WANTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "datetime_type": "a date-time with an offset",
    "date_type": "a date",
    "date_from_datetime_inexact": "a date",
}
_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a float",
    bool: "a boolean",
    datetime: "a date-time",
    date: "a date",
    list: "an array",
    dict: "a table",
}


def _explain(
    faults: _Faults, document: object, kind: str, loc: KeyPath, context: dict[str, object], value: object
) -> None:
    # "[key]" and "=text" are pydantic's: the key itself, and which of two shapes a value has.
    path = tuple(part for part in loc if part != "[key]" and not str(part).startswith("="))
    if kind == "extra_forbidden":
        table = table_at(path[:-1])
        hint = close_match(str(path[-1]), keys_of(table)) if table else None
        faults.add(path, f"unknown key `{path[-1]}`", hint)
    elif kind == "missing":
        where = f"[{dotted(path[:-1])}]" if path[:-1] else "the file"
        faults.add(path, f"{where} has no `{path[-1]}`", "add it: it has no default")
    elif kind == "string_pattern_mismatch":
        meaning, rule = MEANING[str(context["pattern"])]
        shown = path[-1] if loc[-1] == "[key]" else value
        faults.add(path, f"{shown!r} is not {meaning}", rule)
    elif kind in _WANTED:
        got = _NAMES.get(type(value), type(value).__name__)
        faults.add(path, f"expected {_WANTED[kind]}, got {got}", _as_wanted(kind, path, value))
    elif kind == "literal_error" and path == ("format",):
        faults.add(path, f"format {value!r} is not one that this lockgen reads", "format = 1, or a newer lockgen")
    elif kind == "literal_error":
        faults.add(path, f"{value!r} is not one of {context['expected']}", "write one of these")
    elif kind == "string_too_long":
        shown = str(path[-1] if loc[-1] == "[key]" else value)
        message = f"`{shown[:30]}…` has {len(shown)} characters, at most {context['max_length']} are allowed"
        faults.add(path, message, "choose a shorter one")
    else:
        _explain_bounds(faults, path, kind, context, value)


def _as_wanted(kind: str, path: KeyPath, value: object) -> str | None:
    """How a value of the type that pydantic's ``kind`` of error asks for is written."""
    if kind == "string_type" and isinstance(value, dict) and {"pins", "unimported"} & set(path):
        return f'quote a name with dots: "{path[-1]}.{next(iter(value), "…")}" = "…"'
    date = "without quotes and without a time, as in 2026-12-31"
    hints = {
        "string_type": "in quotes",
        "datetime_type": "a date, a time and an offset, as in 2025-11-04T00:00:00Z",
        "date_type": date,
        "date_from_datetime_inexact": date,
    }
    return hints.get(kind)


def _explain_bounds(faults: _Faults, path: KeyPath, kind: str, context: dict[str, object], value: object) -> None:
    if kind in {"greater_than_equal", "less_than_equal"}:
        bound = context.get("ge", context.get("le"))
        faults.add(path, f"{value!r} is out of range", f"at {'least' if 'ge' in context else 'most'} {bound}")
    elif kind == "string_too_short":
        faults.add(path, f"`{path[-1]}` is empty", "say it in a few words")
    elif kind == "too_short":
        faults.add(path, f"`{path[-1]}` is empty", "name at least one")
    else:
        faults.add(path, f"{value!r}: {kind.replace('_', ' ')}")


class _Builder:
    """The second pass: names, versions and references."""

    def __init__(self, versions: VersionsFile, faults: _Faults) -> None:
        self.file = versions
        self.faults = faults

    def build(self) -> Manifest:
        family = self.file.family
        if family.exclude_newer is not None and family.exclude_newer.tzinfo is None:
            self.faults.add(
                ("family", "exclude-newer"),
                "a cut-off without an offset",
                "write 2025-11-04T00:00:00Z: UTC, or +01:00",
            )
        elif family.exclude_newer is not None and not 1 < family.exclude_newer.year < 9999:
            self.faults.add(("family", "exclude-newer"), "a cut-off out of reach", "a year between 2 and 9998")
        if int(family.glibc.split(".")[1]) not in GLIBC_MINORS:
            self.faults.add(
                ("family", "glibc"),
                f"{family.glibc!r} is not a glibc version that uv supports",
                "2.17, 2.28, or 2.31 to 2.40: take the next lower one",
            )
        if family.user == "root":
            self.faults.add(("family", "user"), "images run as an unprivileged user, not as root", "name another")
        indexes = self._indexes()
        variants = self._variants(indexes)
        pins = self._pins(self.file.pins, ("pins",))
        images = self._images(variants)
        manifest = Manifest(
            family=family.name,
            registry=family.registry,
            target=Target(family.python, family.platform, family.glibc),
            exclude_newer=family.exclude_newer,
            build=frozenset(self._names(family.build, ("family", "build"))),
            indexes=indexes,
            variants=variants,
            pins=pins,
            common=self._asks(self.file.common.packages, ("common", "packages")),
            images=images,
            user=User(family.user, family.uid),
            budget=_budget(self.file.budgets),
            ignores=self._ignores(),
            unimported=self._unimported(),
        )
        self._check_accelerators(manifest)
        if self.file.compat is not None:
            manifest = replace(manifest, compat=Declaration(self.file.compat, manifest, self.faults.add).read())
        if self.file.update is not None:
            manifest = replace(manifest, update=Allowed(self.file.update, manifest, self.faults.add).read())
        return manifest

    # -- names and versions --------------------------------------------------

    def _name(self, text: str, path: KeyPath) -> str | None:
        try:
            return canonicalize_name(text, validate=True)
        except InvalidName:
            self.faults.add(path, f"{text!r} is not a package name", "letters, digits and `._-` (PEP 508)")
            return None

    def _names(self, texts: list[str], path: KeyPath) -> list[str]:
        seen: dict[str, str] = {}
        for position, text in enumerate(texts):
            name = self._name(text, (*path, position))
            if name is not None and name in seen:
                self._twice((*path, position), text, seen[name])
            elif name is not None:
                seen[name] = text
        return list(seen)

    def _twice(self, path: KeyPath, text: str, first: str) -> None:
        also = "" if text == first else f", also written `{first}`"
        self.faults.add(path, f"`{text}` is named twice{also}", "keep one of them")

    # -- [audit] and [lint] ---------------------------------------------------

    def _ignores(self) -> tuple[IgnoredAdvisory, ...]:
        found: dict[str, IgnoredAdvisory] = {}
        for position, entry in enumerate(self.file.audit.ignore):
            path: KeyPath = ("audit", "ignore", position)
            self._check_reason(entry.reason, (*path, "reason"))
            # Identifiers of advisories are not case-sensitive.
            key = entry.id.casefold()
            if key in found:
                self._twice((*path, "id"), entry.id, found[key].id)
            else:
                found[key] = IgnoredAdvisory(entry.id, entry.reason.strip(), entry.until, path)
        return tuple(found.values())

    def _unimported(self) -> dict[str, Unimported]:
        found: dict[str, Unimported] = {}
        for text, reason in self.file.lint.unimported.items():
            path: KeyPath = ("lint", "unimported", text)
            name = self._name(text, path)
            self._check_reason(reason, path)
            if name is not None and name in found:
                self._twice(path, text, str(found[name].path[-1]))
            elif name is not None:
                found[name] = Unimported(reason.strip(), path)
        return found

    def _check_reason(self, reason: str, path: KeyPath) -> None:
        if not reason.strip() or not reason.isprintable():
            self.faults.add(path, f"{reason!r} is not a reason", "say it in a few words, in one line")

    def _pins(self, table: dict[str, PinValue], path: KeyPath) -> dict[str, Pin]:
        pins: dict[str, Pin] = {}
        spelled: dict[str, str] = {}
        for text, value in table.items():
            name = self._name(text, (*path, text))
            version, held = (value, False) if isinstance(value, str) else (value.version, value.held)
            parsed = self._version(text, version, (*path, text))
            if name is None or parsed is None:
                continue
            if name in pins:
                self._twice((*path, text), text, spelled[name])
            pins[name] = Pin(parsed, (*path, text), held)
            spelled[name] = text
        return pins

    def _version(self, name: str, text: str, path: KeyPath) -> Version | None:
        try:
            if text != text.strip():
                raise InvalidVersion(text)
            return Version(text)
        except InvalidVersion:
            bare = text.lstrip("=~<>! ").rstrip(".*")
            hint = f'write {name} = "{bare}"' if _is_version(bare) else 'write all of it, as in "2.5.1+cu121"'
            self.faults.add(path, f"the pin {text!r} is not an exact version", f"{hint}; ranges belong in `packages`")
            return None

    def _asks(self, texts: list[str], path: KeyPath) -> tuple[DeclaredRequirement, ...]:
        asks: dict[str, DeclaredRequirement] = {}
        for position, text in enumerate(texts):
            here = (*path, position)
            requirement = self._requirement(text, here)
            if requirement is None:
                continue
            ask = DeclaredRequirement(requirement, here)
            if ask.name in asks:
                self._twice(here, text, str(asks[ask.name].requirement))
            asks[ask.name] = ask
        return tuple(asks.values())

    def _requirement(self, text: str, path: KeyPath) -> Requirement | None:
        hint = "lockgen locks packages of an index by version and hash; publish it to an index of your own"
        if "://" in text or " @" in text or text.startswith((".", "/", "git+", "-e", "file:")):
            self.faults.add(path, f"{text!r}: a requirement by URL or path cannot be locked", hint)
            return None
        try:
            requirement = Requirement(text)
            canonicalize_name(requirement.name, validate=True)
        except (InvalidRequirement, InvalidName) as error:
            reason = str(error).splitlines()[0]
            hint = 'as in "numpy", "numpy>=1.26", "x[extra]"'
            self.faults.add(path, f"{text!r} is not a requirement: {reason}", hint)
            return None
        if requirement.url is not None:
            self.faults.add(path, f"{text!r}: a requirement by URL or path cannot be locked", hint)
            return None
        return requirement

    # -- tables --------------------------------------------------------------

    def _indexes(self) -> dict[str, Index]:
        indexes = {}
        for name, table in self.file.index.items():
            self._check_url(table.url, ("index", name, "url"))
            packages = self._names(table.packages, ("index", name, "packages"))
            if table.recorded is not None:
                self._folder(table.recorded, ("index", name, "recorded"))
            indexes[name] = Index(name, table.url, frozenset(packages), table.recorded)
        return indexes

    def _check_url(self, url: str, path: KeyPath) -> None:
        """The pattern of the format does not see everything: `https://[x` has a bracket that never ends."""
        try:
            urlsplit(url)
        except ValueError as error:
            self.faults.add(path, f"{url!r} is not a valid URL: {error}", "https://HOST/PATH")

    def _variants(self, indexes: dict[str, Index]) -> dict[str, Variant]:
        variants: dict[str, Variant] = {}
        for name, table in self.file.variants.items():
            path: KeyPath = ("variants", name)
            if name in _RESERVED_VARIANTS:
                self.faults.add(path, f"a variant cannot be called `{name}`", "locks/ keeps that name for itself")
            index = table.index
            if index is not None and index not in indexes:
                self.faults.add((*path, "index"), f"unknown index `{index}`", close_match(index, indexes))
                index = None
            pins = self._pins(table.pins, (*path, "pins"))
            self._check_variable(name, variants)
            variants[name] = Variant(name, table.from_, index, pins, table.ppa)
        return variants

    def _check_variable(self, name: str, variants: Iterable[str]) -> None:
        """Bake sees the base image of each variant as a variable; two variants must not share one."""
        for other in variants:
            if variable(other) == variable(name):
                message = f"variants `{other}` and `{name}` would share the bake variable {variable(name)}"
                hint = "rename one: it has to differ by more than `.`, `_` and `-`"
                self.faults.add(("variants", name), message, hint)
                return

    def _folder(self, text: str, path: KeyPath) -> None:
        if any(part in {"", ".", ".."} for part in text.rstrip("/").split("/")):
            self.faults.add(path, f"{text!r} leaves the project or is not a plain path", "no `..`, `.`, or `//` in it")
        elif _RESERVED_FOLDERS & {part.casefold() for part in text.split("/")}:
            self.faults.add(path, f"{text!r} belongs to git or to lockgen", "use another folder")

    def _images(self, variants: dict[str, Variant]) -> dict[str, Image]:
        tables: dict[str, tuple[str, BaseTable]] = {}
        for kind, group in (("bases", self.file.bases), ("stages", self.file.stages)):
            for name, table in group.items():
                near = next((other for other in tables if canonicalize_name(other) == canonicalize_name(name)), None)
                if near is not None:
                    self._twice((kind, name), name, near)
                else:
                    tables[name] = (kind, table)
        asks = {name: self._contents(name, kind, table) for name, (kind, table) in tables.items()}
        self._check_bases(tables)
        self._check_circles(tables)
        # A chain of images can be followed only where every base is there.
        self.faults.stop_if_any()
        images: dict[str, Image] = {}
        for name in tables:
            self._image(name, tables, variants, images, asks)
        self._check_targets(tables, images)
        self._check_preloads(tables, images)
        return images

    def _check_preloads(self, tables: dict[str, tuple[str, BaseTable]], images: dict[str, Image]) -> None:
        """Report variables in `env` with which programs would not find the preloaded models of their image."""
        for name, image in images.items():
            owner: str | None = name
            while owner is not None and not images[owner].preload:
                owner = images[owner].base
            if owner is None:
                continue
            kind = tables[name][0]
            for key in sorted(CACHES.keys() & image.env.keys()):
                message = f"{key} would hide what `preload` of `{owner}` puts under {MODELS}"
                self.faults.add((kind, name, "env", key), message, "leave it out: the image sets it")

    def _check_targets(self, tables: dict[str, tuple[str, BaseTable]], images: dict[str, Image]) -> None:
        """`a` in variant `b-c` and `a-b` in variant `c` are both `a-b-c` to bake: it would build one of them."""
        first: dict[str, tuple[str, str]] = {}
        for name, image in images.items():
            for variant in image.variants:
                target = target_name(name, variant)
                if target in first:
                    other, flavour = first[target]
                    one = f"`{other}` ([{tables[other][0]}.{other}]) in variant `{flavour}`"
                    message = f"{one} and `{name}` in variant `{variant}` are both `{target}` to bake"
                    self.faults.add((tables[name][0], name), message, "rename one of the two images")
                else:
                    first[target] = name, variant

    def _contents(self, name: str, kind: str, table: BaseTable) -> tuple[DeclaredRequirement, ...]:
        for position, folder in enumerate(table.copy_):
            self._folder(folder, (kind, name, "copy", position))
        for position, folder in enumerate(table.folders):
            self._folder(folder, (kind, name, "folders", position))
        program = (table.entrypoint or "") if isinstance(table, StageTable) else ""
        if program.casefold() in _RESERVED_PROGRAMS or program.startswith(("requirements-", "build-")):
            message = f"a program cannot be called `{program}`"
            self.faults.add(
                (kind, name, "entrypoint"), message, f"docker/{name}/ keeps that name for what is generated"
            )
        return self._asks(table.packages, (kind, name, "packages"))

    def _check_bases(self, tables: dict[str, tuple[str, BaseTable]]) -> None:
        for name, (kind, table) in tables.items():
            if table.from_ is None or table.from_ in self.file.bases:
                continue
            path: KeyPath = (kind, name, "from")
            if table.from_ in self.file.stages:
                self.faults.add(path, f"`{table.from_}` is a stage, not a base", "move it to [bases.…]")
            else:
                hint = close_match(table.from_, (base for base in self.file.bases if base != name))
                self.faults.add(path, f"there is no base `{table.from_}`", hint)

    def _check_circles(self, tables: dict[str, tuple[str, BaseTable]]) -> None:
        done: set[str] = set()
        for name in tables:
            trail: list[str] = []
            here: str | None = name
            while here is not None and here not in done and here not in trail:
                trail.append(here)
                here = tables[here][1].from_ if here in tables else None
            if here in trail:
                circle = " -> ".join([*trail[trail.index(here) :], here])
                self.faults.add(("bases", here, "from"), f"a circle of bases: {circle}", "one of them needs no `from`")
            done.update(trail)

    def _image(
        self,
        name: str,
        tables: dict[str, tuple[str, BaseTable]],
        variants: dict[str, Variant],
        images: dict[str, Image],
        asks: dict[str, tuple[DeclaredRequirement, ...]],
    ) -> None:
        pending = [name]
        while pending:
            kind, table = tables[pending[-1]]
            if table.from_ is not None and table.from_ not in images:
                pending.append(table.from_)
                continue
            here = pending.pop()
            if here not in images:
                offered = images[table.from_].variants if table.from_ else tuple(sorted(variants))
                chosen = self._chosen(here, kind, table, offered, variants)
                images[here] = _made(here, kind, table, chosen, asks[here])

    def _chosen(
        self, name: str, kind: str, table: BaseTable, offered: tuple[str, ...], variants: dict[str, Variant]
    ) -> tuple[str, ...]:
        if table.variants is None:
            return offered
        chosen: list[str] = []
        for position, variant in enumerate(table.variants):
            path: KeyPath = (kind, name, "variants", position)
            if variant not in variants:
                self.faults.add(path, f"unknown variant `{variant}`", close_match(variant, variants))
            elif variant not in offered:
                self.faults.add(path, f"its base `{table.from_}` does not come in `{variant}`", "add it to the base")
            elif variant in chosen:
                self._twice(path, variant, variant)
            else:
                chosen.append(variant)
        if not table.variants:
            self.faults.add((kind, name, "variants"), f"`{name}` comes in no variant", close_match("", variants))
        return tuple(sorted(chosen))

    # -- one accelerator per image (guarantee 4) -----------------------------------

    def _check_accelerators(self, manifest: Manifest) -> None:
        for variant in manifest.variants.values():
            if variant.index is None:
                continue
            index = manifest.indexes[variant.index]
            self._check_pins(manifest, variant, index)
            cuda = accelerator.of_image(variant.from_image)
            if index.accelerator and cuda and cuda != index.accelerator:
                self.faults.add(
                    ("variants", variant.name, "from"),
                    f"`{variant.from_image}` is for {cuda}, index `{index.name}` for {index.accelerator}",
                    "one accelerator per image: choose a base image for the index, or an index for the image",
                )

    def _check_pins(self, manifest: Manifest, variant: Variant, index: Index) -> None:
        builds: dict[str, str] = {}
        for name, pin in sorted(manifest.pins_of(variant.name).items()):
            build = accelerator.of_version(pin.version) if name in index.packages else None
            if build is None:
                continue
            other = next(iter(builds.items()), None)
            if index.accelerator and build != index.accelerator:
                message = (
                    f"{name} {pin.version} is a {build} build, variant `{variant.name}` takes it from {index.name}"
                )
                hint = f"pin {name} to a +{index.accelerator} version, or give the variant an index for {build}"
                self.faults.add(pin.path, f"{message} ({index.accelerator})", hint)
            elif index.accelerator is None and other and other[1] != build:
                self.faults.add(
                    pin.path, f"{name} is a {build} build, {other[0]} a {other[1]} build", "make them agree"
                )
            builds[name] = build


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _made(
    name: str, kind: str, table: BaseTable, variants: tuple[str, ...], asks: tuple[DeclaredRequirement, ...]
) -> Image:
    return Image(
        name=name,
        kind="base" if kind == "bases" else "stage",
        base=table.from_,
        variants=variants,
        packages=asks,
        apt=tuple(table.apt),
        build_apt=tuple(table.build_apt),
        copy=tuple(table.copy_),
        env=dict(table.env),
        entrypoint=table.entrypoint if isinstance(table, StageTable) else None,
        folders=tuple(table.folders),
        preload=tuple(table.preload),
        budget=_budget(table),
    )


_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _budget(table: BaseTable | BudgetsTable) -> Budget:
    return Budget(_bytes(table.max_image), _bytes(table.max_layer))


def _bytes(text: str | None) -> int | None:
    """ "1.5 GB" in bytes; the format has let nothing else through."""
    if text is None:
        return None
    unit = next(unit for unit in sorted(_UNITS, key=len, reverse=True) if text.endswith(unit))
    return round(float(text.removesuffix(unit)) * _UNITS[unit])
