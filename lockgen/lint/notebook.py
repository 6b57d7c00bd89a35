"""The imports of a Jupyter notebook, at the lines of its file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from lockgen.core.documents import parse_json
from lockgen.lint.import_parser import NotPython, parse_imports
from lockgen.lint.model import Dialect, Import

_PYTHON_CELL_MAGICS = {"%%time", "%%timeit", "%%capture", "%%prun"}
"""Cell magics after which a cell is still Python."""

_IPYTHON_LINE = re.compile(
    r"""\s*(?: [%!?]                        # %matplotlib inline, !ls, ?help
             | [\w.*]+\?\??\s*$             # help?
             | [\w.,\s*\[\]]+=\s*[%!] )     # files = !ls
    """,
    re.VERBOSE,
)
"""A line that IPython understands, but Python does not."""


class _Cell(NamedTuple):
    """The code of a cell. ``line`` is where it begins in the file, 1 if the file is not laid out as Jupyter does."""

    source: str
    line: int


def notebook_imports(data: bytes, dialect: Dialect) -> list[Import]:
    """The imports of all cells, each at the line where its cell begins.

    Raises:
        NotPython: it is not a notebook, or a cell cannot be parsed.
    """
    found: list[Import] = []
    # Later cells use the names that earlier ones bind.
    aliases: dict[str, str] = {}
    for cell in _cells(data):
        try:
            imports = _cell_imports(cell.source, aliases, dialect)
        except NotPython as error:
            raise NotPython(f"{error.reason} (in the cell that begins here)", cell.line) from None
        found += [replace(imported, line=cell.line) for imported in imports]
    return found


# -- the format -------------------------------------------------------------------------------


def _cells(data: bytes) -> Iterator[_Cell]:
    # An empty file is a notebook without cells.
    if not data.strip():
        return
    text, document = _parse(data)
    if _language(document) != "python":
        return
    position = 0
    for cell in _raw_cells(document):
        lines = _source_lines(cell)
        if cell.get("cell_type") == "code" and lines:
            line, position = _locate(text, lines[0], position)
            yield _Cell("".join(lines), line)


def _parse(data: bytes) -> tuple[str, dict[str, object]]:
    try:
        text = data.decode("utf-8-sig")
        document = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise NotPython("not a notebook", getattr(error, "lineno", None)) from None
    if not isinstance(document, dict):
        raise NotPython("not a notebook")
    return text, document


def _raw_cells(document: dict[str, object]) -> Iterator[dict[str, object]]:
    # Format 3 has its cells in worksheets.
    for sheet in (document, *_objects(document.get("worksheets"))):
        yield from _objects(sheet.get("cells"))


def _source_lines(cell: dict[str, object]) -> list[str]:
    # Format 3 names it "input". It is a string or a list of lines.
    source = cell.get("source", cell.get("input"))
    lines = source if isinstance(source, list) else [source]
    return [line for line in lines if isinstance(line, str)]


def _objects(value: object) -> list[dict[str, object]]:
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]


def _language(document: dict[str, object]) -> str:
    """The language of the kernel, "python" if the notebook does not name one."""
    metadata = document.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    language = kernel.get("language") if isinstance(kernel, dict) else None
    return language.casefold() if isinstance(language, str) else "python"


def _locate(text: str, first_line: str, start: int) -> tuple[int, int]:
    """The line of the cell that begins with ``first_line``, and the position after that to search for the next cell."""
    # Jupyter writes non-ASCII characters as they are, other tools escape them.
    for literal in (json.dumps(first_line, ensure_ascii=False), json.dumps(first_line)):
        pattern = rf'"(?:source|input)"\s*:\s*(?:\[\s*)?{re.escape(literal)}'
        found = re.compile(pattern).search(text, start)
        if found is not None:
            return text.count("\n", 0, found.end()) + 1, found.end()
    return 1, start


# -- IPython's syntax -------------------------------------------------------------------------


def _cell_imports(source: str, aliases: dict[str, str], dialect: Dialect) -> list[Import]:
    """The imports of a cell, without the lines that only IPython understands."""
    words = source.split(maxsplit=1)
    # Other cell magics are for a shell or HTML, for example.
    if words and words[0].startswith("%%") and words[0] not in _PYTHON_CELL_MAGICS:
        return []
    # Unchanged first, then with ever more lines removed: a line of a longer expression may begin with % too.
    for code in (source, _without_ipython_lines(source, indented=False)):
        try:
            return parse_imports(code, aliases, dialect)
        except NotPython:
            continue
    return parse_imports(_without_ipython_lines(source, indented=True), aliases, dialect)


def _without_ipython_lines(source: str, *, indented: bool) -> str:
    """``source`` with `pass` in place of IPython's lines, without indented ones unless ``indented``."""
    lines = []
    continues = False
    for line in source.splitlines():
        margin = line[: len(line) - len(line.lstrip())]
        if continues:
            # An empty line keeps the numbers of the following lines.
            lines.append("")
            continues = line.endswith("\\")
        elif _IPYTHON_LINE.match(line) and (indented or not margin):
            lines.append(f"{margin}pass")
            continues = line.endswith("\\")
        else:
            lines.append(line)
    return "\n".join(lines)
