"""Reads the imports of a Python file or a notebook. The code is parsed, never run."""

from __future__ import annotations

import re
import tokenize
from io import BytesIO

from lockgen.lint.import_parser import NotPython, parse_imports
from lockgen.lint.model import CodeFile, Dialect, Import
from lockgen.lint.notebook import notebook_imports


def read_code(path: str, data: bytes, dialect: Dialect) -> CodeFile:
    """The imports of the file at ``path``, sorted by line. Its suffix distinguishes a notebook from a module."""
    try:
        found = notebook_imports(data, dialect) if path.endswith(".ipynb") else _module_imports(data, dialect)
    except NotPython as error:
        return CodeFile(path, fault=error.reason, fault_line=error.line)
    found.sort(key=lambda imported: (imported.line, imported.name))
    return CodeFile(path, tuple(found))


def runs_python(first_line: bytes) -> bool:
    """Whether a file with this first line is a Python script."""
    return re.match(rb"#!(.*[/\s])?python[\d.]*(\s|$)", first_line) is not None


def _module_imports(data: bytes, dialect: Dialect) -> list[Import]:
    found = parse_imports(data, {}, dialect)
    # ast.parse accepts undecodable bytes in comments, but Python refuses to run such a file.
    encoding = _encoding(data)
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise NotPython(f"byte 0x{byte:02x} is not UTF-8, and no encoding is declared", line) from None
    return found


def _encoding(data: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
    except SyntaxError:
        # The first two lines cannot be decoded, so the fault is found there.
        return "utf-8"
    return encoding
