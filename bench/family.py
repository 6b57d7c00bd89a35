"""The reference family, as lockgen's project and as what the bare tools read."""

from __future__ import annotations

import random
import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Family:
    """``folder`` is a copy of the project; ``index`` the recorded CUDA index on loopback."""

    folder: Path
    index: str

    @cached_property
    def file(self) -> dict[str, Any]:
        return tomllib.loads((ROOT / "versions.toml").read_text())

    def copy(self) -> None:
        for name in ("docker", "locks"):
            shutil.copytree(ROOT / name, self.folder / name)
        shutil.copy(ROOT / "versions.toml", self.folder)

    def forget(self) -> None:
        """No lock, none of its files; what other commands made stays: the recorded index and the matrix.

        The files are moved away, not deleted: ext4 avoids the inodes of files that were deleted in the last 5 seconds,
        so each new file would look at all of them (`recently_deleted` in its ialloc.c). With 3,600 files that took
        longer than the rest of the command.
        """
        away = Path(tempfile.mkdtemp(prefix="forgotten-", dir=self.folder.parent))
        forgotten = [path for path in (self.folder / "locks").iterdir() if path.name not in {"index", "COMPAT.md"}]
        for path in (self.folder / "docker", *forgotten):
            if path.exists():
                path.rename(away / path.name)

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        return {**self.file["bases"], **self.file["stages"]}

    def chain(self, image: str) -> list[str]:
        base = self.tables[image].get("from")
        return [*(self.chain(base) if base else []), image]

    def own(self, image: str) -> list[str]:
        packages: list[str] = self.tables[image].get("packages", [])
        return packages

    def asks(self, image: str) -> list[str]:
        common: list[str] = self.file["common"]["packages"]
        return [*common, *(ask for link in self.chain(image) for ask in self.own(link))]

    def joint(self) -> list[str]:
        return sorted({ask for image in self.tables for ask in self.asks(image)})

    def pins(self) -> list[str]:
        pins = {**self.file["pins"], **self.file["variants"]["cuda"]["pins"]}
        return [f"{name}=={version}" for name, version in pins.items()]

    def tags(self) -> list[tuple[str, str]]:
        return [
            (name, variant)
            for name in self.tables
            for variant in self.tables[self.chain(name)[0]]["variants"]
            if all(variant in self.tables[link].get("variants", [variant]) for link in self.chain(name))
        ]

    def write_uv_settings(self, folder: Path) -> None:
        """The same index, cut-off and permission to build that lockgen gives uv."""
        family = self.file["family"]
        (folder / "uv.toml").write_text(
            f'exclude-newer = "{family["exclude-newer"].isoformat()}"\n'
            f'[[index]]\nname = "cu121"\nurl = "{self.index}"\nexclude-newer = false\n'
        )

    def compile(self, uv: str, source: str, *more: str) -> list[str]:
        """`uv pip compile` of ``source`` for the family's target."""
        command = [uv, "pip", "compile", "-q", source, "--config-file", "uv.toml", "--index-strategy"]
        command += ["unsafe-best-match", "--preview-features", "index-exclude-newer", "--python-version", "3.11"]
        command += ["--python-platform", "x86_64-manylinux_2_35", "--only-binary", ":all:"]
        for name in self.file["family"]["build"]:
            command += ["--no-binary", name]
        return [*command, *more]

    def grown(self, stages: int) -> str:
        """versions.toml with ``stages`` cuda and cpu stages, each asking for a handful of the family's packages."""
        text = (ROOT / "versions.toml").read_text()
        head = text[: text.index("[stages.")]
        chance = random.Random(stages)
        plain = sorted({ask for image, variant in self.tags() if variant == "cpu" for ask in self.own(image)})
        every = sorted({ask for image in self.tables for ask in self.own(image)})
        lines = [head]
        for number in range(stages):
            cuda = number % 2
            packages = chance.sample(every if cuda else plain, 5)
            lines.append(f'[stages.stage-{number}]\nfrom = "{"base-ml" if cuda else "base"}"')
            lines.append("" if cuda else 'variants = ["cpu"]')
            lines.append(f"packages = {packages}\n".replace("'", '"'))
        return "\n".join(lines)
