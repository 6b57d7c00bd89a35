"""The steps of a build: their times, and what they do in words for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_FILE = re.compile(r"source=(docker/\S+?\.txt),")
# Each pattern, and the words for an instruction that it matches; {} stands for its last group.
_DESCRIPTIONS = (
    (re.compile(r"load metadata for (?:docker\.io/(?:library/)?)?(\S+)"), "looking up {}"),
    (re.compile(r"load (build context|from client)"), "sending files"),
    (re.compile(r"exporting to (?:image|docker image|oci image)"), "exporting the image"),
    (re.compile(r"(?:RUN .*)id=apt-archives-"), "installing system packages"),
    (re.compile(r"RUN .*-m venv /tools "), "installing the build tools"),
    (re.compile(r"FROM (?:docker\.io/(?:library/)?)?([^\s@]+)"), "pulling the base image {}"),
)
_LONGEST = 70
"""The most characters of an instruction that a description shows."""


@dataclass(frozen=True, slots=True)
class BuildStep:
    """One step: its text as BuildKit reports it, whether it came from the cache, and its seconds of work.

    Images built on one another share steps; ``targets`` are the bake targets that report this one, in any order.
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
        """Whether it is an instruction that adds to the image, not one that loads or exports."""
        return self.instruction.startswith(("RUN ", "COPY ", "ADD ", "WORKDIR "))

    @property
    def stores(self) -> bool:
        """Whether it exports the built image: the last step of each requested target."""
        return self.instruction.startswith("exporting to ")

    @property
    def installs(self) -> bool:
        return "uv pip install" in self.text or "pip wheel" in self.text

    @property
    def description(self) -> str:
        """What it does, in a few words for people."""
        if self.installs:
            return self._describe_install()
        if self.instruction.startswith(("COPY ", "ADD ")):
            return self._describe_copy()
        for pattern, words in _DESCRIPTIONS:
            found = pattern.search(self.instruction)
            if found is not None:
                return words.format(found[found.lastindex or 0])
        return self._first_line()

    def _describe_install(self) -> str:
        file = _FILE.search(self.text)
        packages = file[1] if file else "packages"
        if "pip wheel" in self.text:
            return f"building the wheels of {packages}"
        return f"installing {packages}"

    def _describe_copy(self) -> str:
        words = self.instruction.split()
        # The destination comes last; options and here-documents are not paths.
        sources = [word for word in words[1:-1] if not word.startswith(("--", "<<"))]
        return f"copying {' '.join(sources) or words[-1]}"

    def _first_line(self) -> str:
        if not self.instruction:
            return "a step"
        line = self.instruction.splitlines()[0]
        return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def owner(step: BuildStep, images: Mapping[str, str]) -> str:
    """The image that a step belongs to; empty if none.

    ``images`` maps bake targets to images, bases first: images built on them report the same step.
    """
    for target, image in images.items():
        if target in step.targets:
            return image
    return ""


@dataclass(frozen=True, slots=True)
class News:
    """One message about a running build: its current activity, or (``stays``) a line for the log."""

    text: str
    stays: bool = False
