"""locks/lock.json to Lock. A lock that was edited by hand is told by its digest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from packaging.version import Version

from lockgen.core.lock import Dependency, File, Lock, LockedImage, Package, ToolSet
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
    """Whether the text is what lockgen wrote: its digest is right."""
    found = _DIGEST.search(data)
    return found is not None and f"sha256:{hashlib.sha256(data[: found.start()]).hexdigest()}".encode() == found[1]


def parse_lock(data: bytes, place: str) -> Lock:
    """Reads a lock; ``place`` names it in errors.

    Every name, version and hash is checked, as they become paths and lines of requirement files.

    Raises:
        BadInput: it is no lock of a format that this lockgen knows.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise _bad(f"not JSON: {error}", place, line) from error
    if not isinstance(document, dict) or document.get("format") != 1:
        raise _bad("not a lock of format 1", place)
    try:
        lock = Lock(
            family=_text(document["family"], _PART),
            target={str(key): str(value) for key, value in document["target"].items()},
            inputs={str(key): str(value) for key, value in document["inputs"].items()},
            indexes={_text(key, _PART): _line(value) for key, value in document["indexes"].items()},
            own_pins={
                _text(key, _PART): tuple(_text(name, _NAME) for name in value)
                for key, value in document["own-pins"].items()
            },
            images=tuple(_image(entry) for entry in document["images"]),
            packages=tuple(_package(entry) for entry in document["packages"]),
            tools=tuple(_package(entry) for entry in document.get("tools", [])),
            more_tools=tuple(_tool_set(entry) for entry in document.get("more-tools", [])),
        )
        _check_whole(lock)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _bad(f"not as lockgen writes it: {error}", place) from error
    return lock


def _check_whole(lock: Lock) -> None:
    """Everything that is named is there, once, and no image stands on itself: ValueError if not."""
    tags = [(image.name, image.variant) for image in lock.images]
    if not tags or len(set(tags)) < len(tags):
        raise ValueError("no image, or one of them twice")
    for image in lock.images:
        trail = [image]
        while (base := trail[-1].base) is not None:
            if (base, image.variant) not in lock.by_tag or len(trail) > len(tags):
                raise ValueError(f"{image.tag} stands on `{base}`, which is not there or in a circle")
            trail.append(lock.by_tag[base, image.variant])
    _check_indexes(lock)
    for package in lock.packages:
        if not package.variants or set(package.variants) - set(lock.variants):
            raise ValueError(f"{package.pin} is of no variant, or of one without images")
    if sum(len(p.variants) for p in lock.packages) > sum(map(len, lock.by_variant.values())):
        raise ValueError("a package twice in one variant")
    built = [pin for tools in lock.more_tools for pin in tools.builds]
    if len(set(built)) < len(built) or set(built) - {package.pin for package in lock.packages if package.built}:
        raise ValueError("tools that build something twice, or what is not built")
    _check_needs(lock)


def _check_indexes(lock: Lock) -> None:
    for package in (*lock.packages, *lock.all_tools):
        if package.index is not None and package.index not in lock.indexes:
            raise ValueError(f"{package.pin} is of an unknown index `{package.index}`")


def _check_needs(lock: Lock) -> None:
    for image in lock.images:
        _require(image.tag, (*image.common, *image.requires), {image.variant}, lock)
    for package in lock.packages:
        for variant in package.variants:
            _require(package.pin, package.requires, {variant}, lock)
        # An extra may be asked for in one variant only, and is locked for all that carry the package.
        for asks in package.extras.values():
            _require(package.pin, asks, set(package.variants), lock)


def _require(who: str, needs: tuple[Dependency, ...], variants: set[str], lock: Lock) -> None:
    for need in needs:
        if not any(need.name in lock.by_variant[variant] for variant in variants):
            raise ValueError(f"{who} needs {need.name}, which is not there")


def _bad(message: str, place: str, line: int | None = None) -> BadInput:
    hint = "restore it from version control, or delete it and run `lockgen resolve`"
    return BadInput(message, place=Place(place, line), hint=hint)


def _text(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{value!r} is out of place")
    return value


def _line(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{value!r} is out of place")
    return value


def _dependencies(values: list[Any]) -> tuple[Dependency, ...]:
    return tuple(_dependency(value) for value in values)


def _dependency(value: Any) -> Dependency:
    found = _DEPENDENCY.fullmatch(value)
    if found is None or not value.isprintable():
        raise ValueError(f"{value!r} is no dependency")
    name, extras, specifier = found.groups()
    return Dependency(name, tuple(extras.split(",")) if extras else (), specifier)


def _image(entry: Mapping[str, Any]) -> LockedImage:
    base = entry.get("base")
    return LockedImage(
        name=_text(entry["name"], _PART),
        variant=_text(entry["variant"], _PART),
        base=_text(base, _PART) if base is not None else None,
        requires=_dependencies(entry["requires"]),
        common=_dependencies(entry.get("common", [])),
    )


def _package(entry: Mapping[str, Any]) -> Package:
    index = entry.get("index")
    files = tuple(_file(file) for file in entry["files"])
    if not files:
        raise ValueError(f"{entry['name']!r} has no file")
    return Package(
        name=_text(entry["name"], _NAME),
        version=str(Version(_text(entry["version"], _VERSION))),
        index=_text(index, _PART) if index is not None else None,
        variants=tuple(_text(variant, _PART) for variant in entry["variants"]),
        files=files,
        requires=_dependencies(entry.get("requires", [])),
        extras={_text(extra, _NAME): _dependencies(asks) for extra, asks in entry.get("extras", {}).items()},
    )


def _tool_set(entry: Mapping[str, Any]) -> ToolSet:
    builds, packages = entry["builds"], tuple(_package(package) for package in entry["packages"])
    if not builds or not packages or not all(isinstance(pin, str) for pin in builds):
        raise ValueError("tools that are none, or build nothing")
    return ToolSet(tuple(builds), packages)


def _file(entry: Mapping[str, Any]) -> File:
    sizes = [entry.get(key) for key in ("size", "installed")]
    for size in sizes:
        if size is not None and (type(size) is not int or size < 0):
            raise ValueError(f"{size!r} is no size")
    return File(_text(entry["name"], _FILE), _text(entry["sha256"], _SHA256), *sizes)
