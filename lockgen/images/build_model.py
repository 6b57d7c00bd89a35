"""What a build did: steps, times, and what went wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_FILE = re.compile(r"source=(docker/\S+?\.txt),")
_BASE = re.compile(r"FROM (?:docker\.io/(?:library/)?)?([^\s@]+)")
_WORDS = (
    (re.compile(r"load metadata for (?:docker\.io/(?:library/)?)?(\S+)"), "looking up {}"),
    (re.compile(r"load (build context|from client)"), "sending files"),
    (re.compile(r"exporting to (?:image|docker image|oci image)"), "storing the image"),
    (re.compile(r"(?:RUN .*)id=apt-archives-"), "preparing the system"),
    (re.compile(r"RUN .*-m venv /tools "), "installing the tools"),
    (_BASE, "taking the base image {}"),
)


@dataclass(frozen=True, slots=True)
class BuildStep:
    """One step: its text as BuildKit names it, and whether it came from the cache. Seconds of work.

    Images on one another share steps; ``targets`` are the bake targets that name this one, in any order.
    """

    targets: tuple[str, ...]
    text: str
    cached: bool
    seconds: float
    error: str | None = None

    @property
    def target(self) -> str:
        return self.targets[0] if self.targets else ""

    @property
    def instruction(self) -> str:
        return self.text.partition("] ")[2] or self.text

    @property
    def works(self) -> bool:
        """Whether it is an instruction that makes something, not one that loads or exports."""
        return self.instruction.startswith(("RUN ", "COPY ", "ADD ", "WORKDIR "))

    @property
    def stores(self) -> bool:
        """Whether it makes an image of what was built: the last step of each that is wanted."""
        return self.instruction.startswith("exporting to ")

    @property
    def installs(self) -> bool:
        return "uv pip install" in self.text or "pip wheel" in self.text

    @property
    def doing(self) -> str:
        """What it does, in a few words for people."""
        file = _FILE.search(self.text)
        if self.installs:
            what = file[1] if file else "packages"
            return f"building the wheels of {what}" if "pip wheel" in self.text else f"installing {what}"
        if self.instruction.startswith(("COPY ", "ADD ")):
            words = [word for word in self.instruction.split()[1:-1] if not word.startswith(("--", "<<"))]
            return f"copying {' '.join(words) or self.instruction.split()[-1]}"
        for pattern, text in _WORDS:
            if (found := pattern.search(self.instruction)) is not None:
                return text.format(found[found.lastindex or 0])
        line = self.instruction.splitlines()[0] if self.instruction else "a step"
        return line if len(line) <= 70 else f"{line[:69]}…"


def owner(step: BuildStep, images: Mapping[str, str]) -> str:
    """The image that has the step as its own; empty where none does.

    ``images`` says which image a bake target is of, the lower ones first: those on top of it name the step too.
    """
    return next((image for target, image in images.items() if target in step.targets), "")


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told of a running build: what it is at now, or (``stays``) a line for the record."""

    text: str
    stays: bool = False
