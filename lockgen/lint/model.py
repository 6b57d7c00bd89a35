"""Imports of code, and the findings of `lockgen lint`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from lockgen.core.key_path import KeyPath

ImportKind = Literal["plain", "late", "by-name", "optional", "typing", "distribution"]
"""``plain`` is at module level, ``late`` in a function, ``by-name`` a call of `importlib.import_module` and the like
with a literal. Code works without ``optional`` imports, and ``typing`` ones are for type checkers only. A
``distribution`` is not a module but a package, whose version or metadata the code reads.
"""

REQUIRED_KINDS: frozenset[ImportKind] = frozenset({"plain", "late", "by-name"})
"""Imports without which the code fails."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: "pyannote.audio.Model" for `from pyannote.audio import Model`.

    ``line`` counts from 1. ``module`` is the part of the name that must be a module: "pyannote.audio".
    """

    name: str
    line: int
    kind: ImportKind
    module: str

    @property
    def top_level(self) -> str:
        return self.name.partition(".")[0]


class Dialect(NamedTuple):
    """The version of Python that runs the code, such as (3, 11), and the version whose parser reads it."""

    python: tuple[int, int]
    parser: tuple[int, int]


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A Python file or notebook of an image, by its path in the project. ``fault`` is why it cannot be parsed."""

    path: str
    imports: tuple[Import, ...] = ()
    fault: str = ""
    fault_line: int | None = None


@dataclass(frozen=True, slots=True)
class ImageCode:
    """The code of one image: its program, and the folders that it and the images below it copy.

    ``folders`` are the copied folders. ``python_path`` are the folders of the project that PYTHONPATH lists in the
    image. ``program_modules`` are the modules next to the program. ``skip_reason`` is why an import that the image
    lacks cannot be reported.
    """

    image: str
    files: tuple[CodeFile, ...]
    folders: tuple[str, ...]
    python_path: tuple[str, ...]
    program_modules: frozenset[str] = frozenset()
    skip_reason: str = ""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A violation of the rule with the id ``rule``.

    ``line`` is None if ``path`` gives the keys in versions.toml instead. ``images`` are names or tags.
    """

    rule: str
    file: str
    line: int | None
    subject: str
    message: str
    hint: str
    images: tuple[str, ...]
    import_kind: ImportKind | None = None
    path: KeyPath = ()


class StaleDeclaration(NamedTuple):
    """An entry of [lint.unimported] that is not necessary, and the reason."""

    path: KeyPath
    package: str
    reason: str


@dataclass(frozen=True)
class LintReport:
    """The findings, sorted by place. ``files_read`` is a number.

    ``skipped`` maps an image that is not fully checked to the reason. ``unknown`` maps a pin to the reason why its
    modules are unknown.
    """

    findings: tuple[LintFinding, ...]
    files_read: int
    skipped: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    stale_declarations: tuple[StaleDeclaration, ...] = ()
