"""Releases whose modules have code, such as code that does not run."""

from __future__ import annotations

from support.index import LocalIndex, metadata, wheel

DISABLES = 'import sys\nsys.stderr.write("Disabling Numpy because numpy >= 3 is required but found 1.0\\n")\n'
"""A module that switches its use of another package off."""


def plant(index: LocalIndex, name: str, version: str, code: str, requires: tuple[str, ...] = (), **more: str) -> None:
    """Add a release whose module ``name`` has ``code``; ``more`` are its submodules."""
    text = metadata(name, version, list(requires), [], None)
    files = {f"{name}/__init__.py": code.encode()}
    files |= {f"{name}/{module}.py": body.encode() for module, body in more.items()}
    filename, data = wheel(name, version, "py3-none-any", text, files=files)
    index.add_file(name, filename, data, text)
