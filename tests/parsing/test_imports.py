"""Imports as they are written, and what wheels say of their modules."""

from __future__ import annotations

import pytest

from lockgen.model.usage import How
from lockgen.parsing.imports import read_code
from lockgen.parsing.wheelnames import modules_of, top_levels

CODE = '''\
"""A program."""
from __future__ import annotations
import os, torch as t
import pyannote.audio
from pyannote.core import Segment, Timeline
from yaml import *
from . import beside
from .beside import other
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


def test_every_way_to_import() -> None:
    found = read_code("x.py", CODE.encode())
    assert found.fault == ""
    told: dict[str, How] = {one.name: one.how for one in found.imports}
    for name in ("os", "sys", "typing", "importlib", "typing.TYPE_CHECKING", "__future__.annotations"):
        assert told.pop(name) == "plain"
    assert told == {
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
    assert all(one.top in lines[one.line - 1] for one in found.imports)


@pytest.mark.parametrize(
    ("data", "fault", "line"),
    [
        (b"import os\ndef f(:\n", "invalid syntax", 2),
        (b"import os\n\x00", "null", None),
        (b"x = '\xff'", "", None),
        (b"x = " + b"(" * 5000, "", None),
        (b"x = " + b"-" * 100000 + b"1", "", None),
    ],
)
def test_what_is_no_python(data: bytes, fault: str, line: int | None) -> None:
    found = read_code("x.py", data)
    assert found.fault
    assert fault in found.fault
    assert line is None or found.fault_line == line
    assert found.imports == ()


def test_the_declared_encoding_is_heeded() -> None:
    assert [one.name for one in read_code("x.py", "# coding: latin-1\nimport os  # é\n".encode("latin-1")).imports] == [
        "os"
    ]


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
