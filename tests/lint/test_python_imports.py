"""Imports of Python files and notebooks, and the modules of wheels."""

from __future__ import annotations

import json
import sys

import pytest

from lockgen.lint import python_imports
from lockgen.lint.import_names import modules_of, top_levels
from lockgen.lint.model import CodeFile, Dialect, ImportKind
from lockgen.lint.python_imports import runs_python


def read_code(path: str, data: bytes, python: tuple[int, int] = (3, 11)) -> CodeFile:
    return python_imports.read_code(path, data, Dialect(python, sys.version_info[:2]))


CODE = '''\
"""A program."""
from __future__ import annotations
import os, torch as t
import pyannote.audio
from pyannote.core import Segment, Timeline
from yaml import *
from . import sibling
from .sibling import other
from typing import TYPE_CHECKING
import typing, importlib, sys, os

if TYPE_CHECKING:
    import pandas
else:
    import polars
if typing.TYPE_CHECKING:
    from rich import table

try:
    import simdjson
except ImportError:
    import orjson
try:
    import reached
except (KeyError, ValueError):
    import always
try:
    pass
except ModuleNotFoundError:
    import instead
else:
    import plainly

try:
    import whisperx
except ImportError as error:
    print(error)
    sys.exit(1)
try:
    import spacy
except (ImportError, OSError):
    raise SystemExit("install spacy") from None

def late():
    import librosa
    try:
        import cupy
    except Exception:
        cupy = None

async def later(x=__import__("defaulted")):
    importlib.import_module("spacy.lang")
    importlib.import_module(name)
    importlib.import_module(".relative", __package__)

class Holder:
    import numpy

with contextlib.suppress(ImportError):
    import uvloop
if sys.platform == "win32":
    import winsound
if os.name == "nt":
    import nt_only
if importlib.util.find_spec("flash_attn"):
    pass
if __name__ == "__main__":
    import runner
'''


def test_every_kind_of_import() -> None:
    found = read_code("x.py", CODE.encode())
    assert found.fault == ""
    kinds: dict[str, ImportKind] = {one.name: one.kind for one in found.imports}
    for name in ("os", "sys", "typing", "importlib", "typing.TYPE_CHECKING", "__future__.annotations"):
        assert kinds.pop(name) == "plain"
    assert kinds == {
        "torch": "plain",
        "pyannote.audio": "plain",
        "pyannote.core.Segment": "plain",
        "pyannote.core.Timeline": "plain",
        "yaml": "plain",
        "pandas": "typing",
        "polars": "plain",
        "rich.table": "typing",
        "simdjson": "optional",
        "orjson": "optional",
        "reached": "plain",
        "always": "plain",
        "instead": "optional",
        "plainly": "plain",
        "whisperx": "plain",
        "spacy": "plain",
        "librosa": "late",
        "cupy": "optional",
        "defaulted": "by-name",
        "spacy.lang": "by-name",
        "numpy": "plain",
        "uvloop": "optional",
        "winsound": "optional",
        "nt_only": "optional",
        "flash_attn": "optional",
        "runner": "plain",
    }
    lines = CODE.splitlines()
    assert all(one.top_level in lines[one.line - 1] for one in found.imports)


@pytest.mark.parametrize(
    ("data", "fault", "line"),
    [
        (b"import os\ndef f(:\n", "invalid syntax", 2),
        (b"import os\n\x00", "null", None),
        (b"x = '\xff'", "", None),
        (b"import os\n\n# \xe9\n", "0xe9 is not UTF-8, and no encoding is declared", 3),
        (b"#!python \xe9\n# coding: latin-1\n", "0xe9 is not UTF-8", 1),
        ("import os\n".encode("utf-16"), "", None),
        (b"x = " + b"(" * 5000, "", None),
        (b"x = " + b"-" * 100000 + b"1", "", None),
    ],
)
def test_code_that_cannot_be_parsed(data: bytes, fault: str, line: int | None) -> None:
    found = read_code("x.py", data)
    assert found.fault
    assert fault in found.fault
    assert line is None or found.fault_line == line
    assert found.imports == ()


def test_the_declared_encoding_is_used() -> None:
    assert [one.name for one in read_code("x.py", "# coding: latin-1\nimport os  # é\n".encode("latin-1")).imports] == [
        "os"
    ]


def test_warnings_of_the_parser_are_ignored() -> None:
    assert read_code("x.py", b'x = "\\d"\n') == CodeFile("x.py")


def test_an_error_without_a_line_has_none() -> None:
    assert read_code("x.py", b"# coding: ascii\nx = 1  # \xe9\n").fault_line is None


@pytest.mark.parametrize(
    ("code", "name", "how"),
    [
        ('importlib.import_module(name="a.b")', "a.b", "by-name"),
        ('from importlib import import_module as im\nim("a")', "a", "by-name"),
        ('import importlib as i\ni.import_module("a")', "a", "by-name"),
        ('import runpy\nrunpy.run_module("a.b", run_name="__main__")', "a.b", "by-name"),
        ('from runpy import run_module\nrun_module(mod_name="a")', "a", "by-name"),
        ('import pkgutil\npkgutil.resolve_name("a.b:C.d")', "a.b", "by-name"),
        ('import pytest\na = pytest.importorskip("a", minversion="1")', "a", "optional"),
        ('import importlib.resources\nimportlib.resources.files("a").joinpath("b")', "a", "by-name"),
        ('from importlib import resources as r\nr.read_text("a", "b.txt")', "a", "by-name"),
        ('import importlib_resources\nimportlib_resources.files(anchor="a")', "a", "by-name"),
        ('from importlib.metadata import version\nversion("a-b")', "a-b", "distribution"),
        (
            'import importlib.metadata as m\ntry:\n    m.version(distribution_name="a")\nexcept Exception: pass',
            "a",
            "distribution",
        ),
        ('import sys\n[sys.executable, "-m", "a.b", "x"]', "a.b", "by-name"),
        ('from sys import executable as e\n(e, "-u", "-W", "error", "-m", "a")', "a", "by-name"),
        ('import sys\n[sys.executable, "-m", "pip", "list"]', "pip", "optional"),
        ('["python3", "-m", "a"]', "a", "optional"),
        ("from typing import TYPE_CHECKING as T\nif T:\n    import a", "a", "typing"),
        ("if not TYPE_CHECKING:\n    pass\nelse:\n    import a", "a", "typing"),
        ("if not TYPE_CHECKING:\n    import a", "a", "plain"),
        ("if TYPE_CHECKING and x:\n    import a", "a", "typing"),
        ("if TYPE_CHECKING or x:\n    import a", "a", "plain"),
        ("if not TYPE_CHECKING or x:\n    pass\nelse:\n    import a", "a", "typing"),
    ],
)
def test_imports_by_name_and_for_type_checkers(code: str, name: str, how: ImportKind) -> None:
    found = read_code("x.py", code.encode())
    assert not found.fault
    assert (found.imports[-1].name, found.imports[-1].kind) == (name, how)


@pytest.mark.parametrize(
    "code",
    [
        'platform.version("a")',
        'path.files("a")',
        'importlib.util.resolve_name("a", "b")',
        "importlib.import_module()",
        'importlib.import_module(package="a", name=b)',
        'importlib.metadata.version("")',
        '[sys.executable, "run.py", "-m", "a"]',
        '[sys.executable, run, "-m", "a"]',
        '[sys.executable, "-m", name]',
        '["x", "-m", "a"]',
        "[sys.executable]",
        "[]",
    ],
)
def test_calls_that_are_not_imports(code: str) -> None:
    assert read_code("x.py", code.encode()).imports == ()


def notebook(*cells: object, indent: int | None = 1, **more: object) -> bytes:
    return json.dumps({"cells": cells, "nbformat": 4, **more}, indent=indent, ensure_ascii=False).encode()


def cell(source: str | list[str], kind: str = "code") -> dict[str, object]:
    return {"cell_type": kind, "metadata": {}, "outputs": [], "source": source}


NOTEBOOK = notebook(
    cell(["import prose\n", "# once"], "markdown"),
    cell(["# é\n", "import first, os\n", "from importlib import import_module as im"]),
    cell(
        [
            "%matplotlib inline\n",
            "!pip install \\\n",
            "  x\n",
            "import second\n",
            "if x:\n",
            "    !ls\n",
            "y = !ls\n",
            "y?\n",
        ]
    ),
    cell(["%%bash\n", "import shell"]),
    cell(["%%time\n", "x = (y\n", "  % z)\n", "import third"]),
    cell("im('fourth')\nx = '''\n%d'''"),
    cell([]),
    cell(""),
)


def test_imports_of_a_notebook() -> None:
    found = read_code("x.ipynb", NOTEBOOK)
    assert found.fault == ""
    lines = NOTEBOOK.decode().splitlines()
    cells = {one.name: lines[one.line - 1].strip().removeprefix('"source": ') for one in found.imports}
    assert cells == {
        "first": '"# é\\n",',
        "os": '"# é\\n",',
        "importlib.import_module": '"# é\\n",',
        "second": '"%matplotlib inline\\n",',
        "third": '"%%time\\n",',
        "fourth": "\"im('fourth')\\nx = '''\\n%d'''\"",
    }


def test_unusual_notebooks() -> None:
    assert [one.line for one in read_code("x.ipynb", notebook(cell("import a"), indent=None)).imports] == [1]
    other = {"kernelspec": {"language": "R"}}
    assert read_code("x.ipynb", notebook(cell("library(x)"), metadata=other)).imports == ()
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["import a"]}]}]}
    assert [one.name for one in read_code("x.ipynb", json.dumps(old).encode()).imports] == ["a"]
    assert read_code("x.ipynb", b"\n") == CodeFile("x.ipynb")


@pytest.mark.parametrize(
    ("data", "fault", "line"),
    [
        (b"{\n]", "not a notebook", 2),
        (b"[]", "not a notebook", None),
        (b"\xff", "not a notebook", None),
        (b"[" * 100000, "not a notebook", None),
        (notebook(cell(["x = 1\n", "def f(:"])), "invalid syntax", 8),
    ],
)
def test_files_that_are_not_notebooks(data: bytes, fault: str, line: int | None) -> None:
    found = read_code("x.ipynb", data)
    assert fault in found.fault
    assert found.fault_line == line


@pytest.mark.parametrize(
    "cells", [None, 3, {"a": 1}, [3], [{"cell_type": "code"}], [{"cell_type": "code", "source": [1]}]]
)
def test_invalid_cells_of_a_notebook_are_ignored(cells: object) -> None:
    assert read_code("x.ipynb", json.dumps({"cells": cells, "metadata": []}).encode()).imports == ()


@pytest.mark.parametrize(
    ("line", "is_python"),
    [
        (b"#!/usr/bin/env python3\n", True),
        (b"#!/usr/bin/python3.11 -u\n", True),
        (b"#! /usr/bin/env -S python -u", True),
        (b"#!/opt/python/bin/bash\n", False),
        (b"#!/bin/sh\n", False),
        (b"# python\n", False),
        (b"", False),
    ],
)
def test_a_python_script_is_recognised_by_its_first_line(line: bytes, is_python: bool) -> None:
    assert runs_python(line) == is_python


def test_modules_of_a_wheel() -> None:
    files = [
        "yaml/__init__.py",
        "yaml/loader.py",
        "yaml/py.typed",
        "_yaml.cpython-311-x86_64-linux-gnu.so",
        "six.py",
        "pyannote/audio/__init__.py",
        "pyannote/audio/core/model.py",
        "pyannote/audio/core/deep/er.py",
        "PyYAML-6.0.dist-info/METADATA",
        "thing-1.0.data/purelib/spread/__init__.py",
        "thing-1.0.data/scripts/run.py",
        "not-a-name/__init__.py",
        "stubs/only.pyi",
        "a/b/c/d/__init__.py",
        "a/b/c/d/e/__init__.py",
    ]
    assert modules_of(files) == {"yaml", "yaml.loader", "_yaml", "six", "pyannote.audio", "spread", "a.b.c.d"}
    assert top_levels("docopt\n\n  pkg/inner \n") == {"docopt", "pkg.inner"}


@pytest.mark.parametrize(
    ("code", "oldest"),
    [
        ("match x:\n    case 1:\n        import yaml\n", (3, 10)),
        ("try:\n    import yaml\nexcept* ValueError:\n    pass\n", (3, 11)),
        ("with (open(a) as b, open(c) as d):\n    import yaml\n", (3, 9)),
    ],
)
def test_code_is_parsed_as_the_familys_python_does(code: str, oldest: tuple[int, int]) -> None:
    assert [one.name for one in read_code("x.py", code.encode(), oldest).imports] == ["yaml"]
    earlier = read_code("x.py", code.encode(), (3, oldest[1] - 1))
    assert f"only supported in Python 3.{oldest[1]} and greater" in earlier.fault
    assert earlier.imports == ()


def test_syntax_that_only_a_later_python_knows() -> None:
    later = (3, sys.version_info[1] + 1)
    found = read_code("x.py", b"import yaml\nquantum x = 1\n", later)
    assert (
        f"lockgen runs on Python 3.{sys.version_info[1]}: to parse newer syntax, run it on 3.{later[1]}" in found.fault
    )
    assert "lockgen runs" not in read_code("x.py", b"quantum x = 1\n", sys.version_info[:2]).fault
