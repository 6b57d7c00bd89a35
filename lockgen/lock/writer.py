"""The lock as JSON: one package a block, sorted, so that a change reads as a small diff."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from lockgen.core.lock import Dependency, File, Lock, LockedImage, Package, ToolSet

FORMAT = 1


def render_lock(lock: Lock) -> str:
    """``locks/lock.json``. Its ``digest`` is the sha256 of the text without the digest's line."""
    head: dict[str, object] = {
        "format": FORMAT,
        "family": lock.family,
        "target": lock.target,
        "inputs": dict(sorted(lock.inputs.items())),
        "indexes": dict(sorted(lock.indexes.items())),
        "own-pins": {variant: sorted(names) for variant, names in sorted(lock.own_pins.items())},
    }
    lines = ["{"]
    lines += [f"{_quoted(key)}: {_compact(value)}," for key, value in head.items()]
    lines += ['"images": [', *_rows(_image(image) for image in _sorted_images(lock)), "],"]
    blocks = [_package(package) for package in sorted(lock.packages, key=lambda package: package.sort_key)]
    lines += ['"packages": [', ",\n".join(blocks), "],"]
    if lock.tools:
        tools = [_package(package) for package in sorted(lock.tools, key=lambda package: package.sort_key)]
        lines += ['"tools": [', ",\n".join(tools), "],"]
    if lock.more_tools:
        lines += ['"more-tools": [', ",\n".join(_tool_set(tools) for tools in lock.more_tools), "],"]
    body = "\n".join(lines) + "\n"
    return body + f'"digest": "{digest_of(body)}"\n}}\n'


def digest_of(body: str) -> str:
    """The digest of a lock's text up to its last key."""
    return "sha256:" + hashlib.sha256(body.encode()).hexdigest()


def _sorted_images(lock: Lock) -> list[LockedImage]:
    return sorted(lock.images, key=lambda image: (image.name, image.variant))


def _quoted(text: str) -> str:
    return json.dumps(text)


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(", ", ": "))


def _rows(rows: Iterable[str]) -> list[str]:
    listed = list(rows)
    return [row + ("," if position < len(listed) - 1 else "") for position, row in enumerate(listed)]


def _asks(asks: Iterable[Dependency]) -> list[str]:
    return [str(ask) for ask in asks]


def _image(image: LockedImage) -> str:
    row: dict[str, object] = {"name": image.name, "variant": image.variant}
    if image.base is not None:
        row["base"] = image.base
    if image.common:
        row["common"] = _asks(image.common)
    row["requires"] = _asks(image.requires)
    return "  " + _compact(row)


def _package(package: Package) -> str:
    head: dict[str, object] = {"name": package.name, "version": package.version}
    if package.index is not None:
        head["index"] = package.index
    head["variants"] = list(package.variants)
    lines = ["  {" + ", ".join(f"{_quoted(key)}: {_compact(value)}" for key, value in head.items()) + ","]
    files = [
        _compact({key: value for key, value in _file(file).items() if value is not None}) for file in package.files
    ]
    tail = [(key, _compact(value)) for key, value in _needs(package).items()]
    lines.append('   "files": [' + ",\n             ".join(files) + "]" + ("," if tail else "}"))
    for position, (key, value) in enumerate(tail):
        lines.append(f"   {_quoted(key)}: {value}" + ("," if position < len(tail) - 1 else "}"))
    return "\n".join(lines)


def _tool_set(tools: ToolSet) -> str:
    packages = [_package(package) for package in sorted(tools.packages, key=lambda package: package.sort_key)]
    return f' {{"builds": {_compact(list(tools.builds))}, "packages": [\n' + ",\n".join(packages) + "]}"


def _file(file: File) -> dict[str, object]:
    return {"name": file.name, "sha256": file.sha256, "size": file.size, "installed": file.installed}


def _needs(package: Package) -> dict[str, object]:
    needs: dict[str, object] = {}
    if package.requires:
        needs["requires"] = _asks(package.requires)
    if package.extras:
        needs["extras"] = {extra: _asks(asks) for extra, asks in sorted(package.extras.items())}
    return needs
