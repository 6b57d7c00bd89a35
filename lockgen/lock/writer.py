"""The lock as JSON: one block per package, sorted, so that a change is a small diff."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from lockgen.core.lock import Dependency, File, Lock, LockedImage, Package, ToolSet

FORMAT = 1


def render_lock(lock: Lock) -> str:
    """``locks/lock.json``. Its ``digest`` is the sha256 of the text without the digest's line."""
    # Sorted, as the order of tables in versions.toml must not change the bytes (guarantee 5).
    head: dict[str, object] = {
        "format": FORMAT,
        "family": lock.family,
        "target": lock.target,
        "inputs": dict(sorted(lock.inputs.items())),
        "indexes": dict(sorted(lock.indexes.items())),
        "own-pins": {variant: sorted(names) for variant, names in sorted(lock.own_pins.items())},
    }
    lines = ["{"]
    lines += [f"{_member(key, value)}," for key, value in head.items()]
    lines += _list("images", [_image(image) for image in _sorted_images(lock)])
    lines += _list("packages", _packages(lock.packages))
    # The keys of build tools are left out where there are none, as in locks of older versions.
    if lock.tools:
        lines += _list("tools", _packages(lock.tools))
    if lock.more_tools:
        lines += _list("more-tools", [_tool_set(tools) for tools in lock.more_tools])
    body = "\n".join(lines) + "\n"
    return body + f'"digest": "{digest_of(body)}"\n}}\n'


def digest_of(body: str) -> str:
    """The digest of a lock's text up to its last key."""
    return "sha256:" + hashlib.sha256(body.encode()).hexdigest()


def _sorted_images(lock: Lock) -> list[LockedImage]:
    return sorted(lock.images, key=lambda image: (image.name, image.variant))


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(", ", ": "))


def _member(key: str, value: object) -> str:
    return f"{_compact(key)}: {_compact(value)}"


def _list(key: str, blocks: Sequence[str]) -> list[str]:
    return [f"{_compact(key)}: [", ",\n".join(blocks), "],"]


def _texts(requirements: Iterable[Dependency]) -> list[str]:
    return [str(requirement) for requirement in requirements]


def _image(image: LockedImage) -> str:
    row: dict[str, object] = {"name": image.name, "variant": image.variant}
    if image.base is not None:
        row["base"] = image.base
    if image.common:
        row["common"] = _texts(image.common)
    row["requires"] = _texts(image.requires)
    return "  " + _compact(row)


def _packages(packages: Iterable[Package]) -> list[str]:
    return [_package(package) for package in sorted(packages, key=lambda package: package.sort_key)]


def _package(package: Package) -> str:
    """A line with the identity, a line for each file, and a line each for requirements and extras."""
    identity: dict[str, object] = {"name": package.name, "version": package.version}
    if package.index is not None:
        identity["index"] = package.index
    identity["variants"] = list(package.variants)
    lines = [", ".join(_member(key, value) for key, value in identity.items())]
    files = ",\n             ".join(_file(file) for file in package.files)
    lines.append(f'"files": [{files}]')
    if package.requires:
        lines.append(_member("requires", _texts(package.requires)))
    if package.extras:
        lines.append(_member("extras", _extras(package)))
    return "  {" + ",\n   ".join(lines) + "}"


def _extras(package: Package) -> dict[str, list[str]]:
    return {extra: _texts(requirements) for extra, requirements in sorted(package.extras.items())}


def _file(file: File) -> str:
    row: dict[str, object] = {"name": file.name, "sha256": file.sha256}
    # An unknown size is left out rather than null.
    if file.size is not None:
        row["size"] = file.size
    if file.installed is not None:
        row["installed"] = file.installed
    return _compact(row)


def _tool_set(tools: ToolSet) -> str:
    head = _member("builds", list(tools.builds))
    packages = ",\n".join(_packages(tools.packages))
    return f' {{{head}, "packages": [\n{packages}]}}'
