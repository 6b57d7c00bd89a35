"""An independent reader of what lockgen writes: it shares no code with lockgen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LINE = re.compile(r"([a-z0-9][a-z0-9-]*)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)")


@dataclass(frozen=True)
class Line:
    name: str
    version: str
    hashes: tuple[str, ...]


def read_requirements(text: str) -> dict[str, Line]:
    """Every line of a requirement file; AssertionError for a line of any other shape."""
    joined = text.replace(" \\\n    ", " ")
    found: dict[str, Line] = {}
    for line in joined.splitlines():
        if line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        assert match, f"not name==version with hashes: {line!r}"
        name, version, hashes = match.groups()
        assert name not in found, f"{name} twice"
        found[name] = Line(name, version, tuple(re.findall(r"sha256:([0-9a-f]{64})", hashes)))
    return found


@dataclass(frozen=True)
class Written:
    """A project's files, by path."""

    tree: Mapping[str, bytes]

    def text(self, path: str) -> str:
        return self.tree[path].decode()

    @property
    def lock(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.text("locks/lock.json"))
        return data

    def closure(self, image: str, variant: str) -> dict[str, Line]:
        return read_requirements(self.text(f"locks/{variant}/{image}.txt"))

    def delta(self, image: str, variant: str) -> dict[str, Line]:
        return self._either(f"docker/{image}/requirements-{image}", variant)

    def common(self, variant: str) -> dict[str, Line]:
        if not any(path.startswith("docker/requirements-common.") for path in self.tree):
            return {}
        return self._either("docker/requirements-common", variant)

    def _either(self, stem: str, variant: str) -> dict[str, Line]:
        own = f"{stem}.{variant}.txt"
        return read_requirements(self.text(own if own in self.tree else f"{stem}.txt"))

    def chain(self, image: str, variant: str) -> list[str]:
        images = {(entry["name"], entry["variant"]): entry for entry in self.lock["images"]}
        links = [image]
        while base := images[links[-1], variant].get("base"):
            links.append(base)
        return links[::-1]

    def layers(self, image: str, variant: str) -> list[dict[str, Line]]:
        """The common file, then each delta, from the bottom up."""
        return [self.common(variant), *(self.delta(link, variant) for link in self.chain(image, variant))]

    def tags(self) -> list[tuple[str, str]]:
        return [(entry["name"], entry["variant"]) for entry in self.lock["images"]]


def tree_of(root: Path) -> dict[str, bytes]:
    """Every file under ``root`` but lockgen's own state and git's, by path."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not {".lockgen", ".git"} & set(path.relative_to(root).parts)
    }
