"""What code imports, and what does not fit what its image asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lockgen.core.key_path import KeyPath

How = Literal["plain", "late", "by-name", "optional", "typing", "distribution"]
"""At the top; in a function; by `importlib.import_module` and its like with a literal; where the code does without it;
for type checkers alone; no module but a package's own name, whose version or metadata the code asks for.
"""

NEEDED: frozenset[How] = frozenset({"plain", "late", "by-name"})
"""What fails where it is not there."""


@dataclass(frozen=True, slots=True)
class Import:
    """One name that is imported, as far as it is written: "pyannote.audio.Model" of `from pyannote.audio import Model`.

    ``line`` counts from 1. ``module`` is as much of the name as has to be a module: "pyannote.audio".
    """

    name: str
    line: int
    how: How
    module: str

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file of Python in an image, by its path in the project; or a notebook.

    ``fault`` is why it cannot be read as such.
    """

    path: str
    imports: tuple[Import, ...] = ()
    fault: str = ""
    fault_line: int | None = None


@dataclass(frozen=True, slots=True)
class ImageCode:
    """The code of one image: its program, and the folders that it and the images below it copy.

    ``folders`` are those folders, ``roots`` what of the project is on Python's path there ("" is /app itself).
    ``unjudged`` is why nothing can be said of what this image does not import.
    """

    image: str
    files: tuple[CodeFile, ...]
    folders: tuple[str, ...]
    roots: tuple[str, ...]
    own: frozenset[str] = frozenset()
    unjudged: str = ""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One finding. ``unused`` stands in versions.toml, the other kinds in code.

    ``undeclared`` is there only because something else needs it; ``missing`` is not there at all; ``unreadable`` code
    is not Python. ``path`` are the keys of versions.toml, for output without lines.
    """

    kind: Literal["unused", "undeclared", "missing", "unreadable"]
    file: str
    line: int | None
    subject: str
    message: str
    hint: str
    images: tuple[str, ...]
    how: How | None = None
    path: KeyPath = ()


@dataclass(frozen=True)
class Lint:
    """``unjudged`` maps an image to the reason; ``unknown`` a package to why its modules are unknown; ``idle`` are
    declarations of [lint.unimported] that nothing needs, with the reason. ``seen`` counts the files that were read.
    """

    misfits: tuple[LintFinding, ...]
    seen: int
    unjudged: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    idle: tuple[tuple[KeyPath, str, str], ...] = ()
