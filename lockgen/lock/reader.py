"""locks/lock.json to Lock. The digest shows whether a lock was edited by hand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from lockgen.core.documents import parse_json
from lockgen.core.lock import Dependency, File, Lock, LockedImage, Package, ToolSet
from lockgen.core.parsing import parse_version
from lockgen.errors import BadInput, Place

_BOUND = r"(?:===?|~=|!=|<=?|>=?)[A-Za-z0-9.*+!_-]+"
_DEPENDENCY = re.compile(rf"([a-z0-9][a-z0-9-]*)(?:\[([a-z0-9,-]+)\])?((?:{_BOUND}(?:,{_BOUND})*)?)")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"[A-Za-z0-9.!+_-]+")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_DIGEST = re.compile(rb'"digest": "(sha256:[0-9a-f]{64})"\n\}\n\Z')


def is_intact(data: bytes) -> bool:
    """Whether lockgen wrote exactly this text: its digest is correct."""
    found = _DIGEST.search(data)
    if found is None:
        return False
    body = data[: found.start()]
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return digest.encode() == found[1]


def parse_lock(data: bytes, place: str) -> Lock:
    """Read a lock. ``place`` names it in errors.

    Every name, version and hash is checked, as they become paths and lines of requirement files.

    Raises:
        BadInput: the text is not a lock in a format that this version of lockgen reads.
    """
    document = _document(data, place)
    try:
        lock = _lock(document)
        _check(lock)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _bad(f"invalid lock: {error}", place) from error
    return lock


def _document(data: bytes, place: str) -> Mapping[str, Any]:
    try:
        document = parse_json(data)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise _bad(f"invalid JSON: {error}", place, line) from error
    if not isinstance(document, dict) or document.get("format") != 1:
        raise _bad("not a lock of format 1", place)
    return document


def _bad(message: str, place: str, line: int | None = None) -> BadInput:
    hint = "restore it from version control, or delete it and run `lockgen resolve`"
    return BadInput(message, place=Place(place, line), hint=hint)


# -- the whole lock: references must resolve, or ValueError ---------------------------


def _check(lock: Lock) -> None:
    _check_images(lock)
    _check_indexes(lock)
    _check_packages(lock)
    _check_tools(lock)
    _check_requirements(lock)


def _check_images(lock: Lock) -> None:
    tags = [image.tag for image in lock.images]
    if not tags:
        raise ValueError("it contains no image")
    if len(set(tags)) < len(tags):
        raise ValueError("it contains an image twice")
    for image in lock.images:
        _check_chain(image, lock)


def _check_chain(image: LockedImage, lock: Lock) -> None:
    link = image
    # A chain that is longer than the list of images contains a cycle.
    for _ in lock.images:
        if link.base is None:
            return
        below = lock.by_tag.get((link.base, image.variant))
        if below is None:
            raise ValueError(f"the base of {link.tag}, `{link.base}`, is missing")
        link = below
    raise ValueError(f"the bases of {image.tag} form a cycle")


def _check_indexes(lock: Lock) -> None:
    for package in (*lock.packages, *lock.all_tools):
        if package.index is not None and package.index not in lock.indexes:
            raise ValueError(f"{package.pin} comes from an unknown index `{package.index}`")


def _check_packages(lock: Lock) -> None:
    variants = set(lock.variants)
    for package in lock.packages:
        if not package.variants:
            raise ValueError(f"{package.pin} has no variant")
        if not variants.issuperset(package.variants):
            raise ValueError(f"{package.pin} has a variant without images")
    # `by_variant` has one entry per name, so a second version of a package would silently replace the first.
    entries = sum(len(package.variants) for package in lock.packages)
    if entries > sum(len(packages) for packages in lock.by_variant.values()):
        raise ValueError("it contains a package twice in one variant")


def _check_tools(lock: Lock) -> None:
    builds = [pin for tools in lock.more_tools for pin in tools.builds]
    if len(set(builds)) < len(builds):
        raise ValueError("two sets of build tools build the same package")
    built = {package.pin for package in lock.packages if package.built}
    if not built.issuperset(builds):
        raise ValueError("a set of build tools is for a package that is not built")


def _check_requirements(lock: Lock) -> None:
    # Otherwise closures, and with them every command, would fail later with less context.
    for image in lock.images:
        _require(image.tag, (*image.common, *image.requires), {image.variant}, lock)
    for package in lock.packages:
        for variant in package.variants:
            _require(package.pin, package.requires, {variant}, lock)
        # An extra may be requested in one variant only, and is locked for all variants that contain the package.
        for requirements in package.extras.values():
            _require(package.pin, requirements, set(package.variants), lock)


def _require(requirer: str, requirements: tuple[Dependency, ...], variants: set[str], lock: Lock) -> None:
    """Check that every requirement is locked in one of ``variants``."""
    for requirement in requirements:
        if not any(requirement.name in lock.by_variant[variant] for variant in variants):
            raise ValueError(f"{requirer} requires {requirement.name}, which is missing")


# -- its parts --------------------------------------------------------------------------


def _lock(document: Mapping[str, Any]) -> Lock:
    return Lock(
        family=_text(document["family"], _PART),
        target=_strings(document["target"]),
        inputs=_strings(document["inputs"]),
        indexes={_text(key, _PART): _line(value) for key, value in document["indexes"].items()},
        own_pins={_text(variant, _PART): _names(pins) for variant, pins in document["own-pins"].items()},
        images=tuple(_image(entry) for entry in document["images"]),
        packages=_packages(document["packages"]),
        tools=_packages(document.get("tools", [])),
        more_tools=tuple(_tool_set(entry) for entry in document.get("more-tools", [])),
    )


def _text(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"unexpected value {value!r}")
    return value


def _line(value: Any) -> str:
    # A line break would end the comment line that a requirement file has for an index.
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"unexpected value {value!r}")
    return value


def _strings(table: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in table.items()}


def _names(values: list[Any]) -> tuple[str, ...]:
    return tuple(_text(value, _NAME) for value in values)


def _dependencies(values: list[Any]) -> tuple[Dependency, ...]:
    return tuple(_dependency(value) for value in values)


def _dependency(value: Any) -> Dependency:
    found = _DEPENDENCY.fullmatch(value)
    if found is None or not value.isprintable():
        raise ValueError(f"{value!r} is not a dependency")
    name, extras, specifier = found.groups()
    requested = tuple(extras.split(",")) if extras else ()
    return Dependency(name, requested, specifier)


def _image(entry: Mapping[str, Any]) -> LockedImage:
    base = entry.get("base")
    return LockedImage(
        name=_text(entry["name"], _PART),
        variant=_text(entry["variant"], _PART),
        base=_text(base, _PART) if base is not None else None,
        requires=_dependencies(entry["requires"]),
        common=_dependencies(entry.get("common", [])),
    )


def _packages(entries: list[Any]) -> tuple[Package, ...]:
    return tuple(_package(entry) for entry in entries)


def _package(entry: Mapping[str, Any]) -> Package:
    index = entry.get("index")
    files = tuple(_file(file) for file in entry["files"])
    if not files:
        # Without this check, such a package would pass for one that has to be built.
        raise ValueError(f"{entry['name']!r} has no file")
    return Package(
        name=_text(entry["name"], _NAME),
        version=str(parse_version(_text(entry["version"], _VERSION))),
        index=_text(index, _PART) if index is not None else None,
        variants=tuple(_text(variant, _PART) for variant in entry["variants"]),
        files=files,
        requires=_dependencies(entry.get("requires", [])),
        extras={_text(extra, _NAME): _dependencies(needs) for extra, needs in entry.get("extras", {}).items()},
    )


def _tool_set(entry: Mapping[str, Any]) -> ToolSet:
    builds = entry["builds"]
    packages = _packages(entry["packages"])
    if not packages:
        raise ValueError("a set of build tools is empty")
    if not builds or not all(isinstance(pin, str) for pin in builds):
        raise ValueError("a set of build tools builds nothing")
    return ToolSet(tuple(builds), packages)


def _file(entry: Mapping[str, Any]) -> File:
    return File(
        name=_text(entry["name"], _FILE),
        sha256=_text(entry["sha256"], _SHA256),
        size=_size(entry.get("size")),
        installed=_size(entry.get("installed")),
    )


def _size(value: Any) -> int | None:
    if value is None:
        return None
    # Not isinstance(): True is an int too.
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a size")
    return value
