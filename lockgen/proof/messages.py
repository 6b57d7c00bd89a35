"""What code writes while it is imported: lines without what differs from run to run, and messages that are known."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier

from lockgen.core.parsing import parse_specifiers
from lockgen.core.printable import printable
from lockgen.proof.model import Bound

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")
_VARIABLE = (
    # 2026-11-28 03:14:15,926 and 03:14:15
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "TIME"),
    # <object at 0x7f12…>
    (re.compile(r"\b0x[0-9a-fA-F]{4,}\b"), "ADDRESS"),
    # The environment: /tmp/x/venv/lib/python3.11/site-packages/pkg/a.py:12
    (re.compile(r"(?:/[\w.+~-]+)+/(?:site|dist)-packages/"), ""),
    (re.compile(r"(?:/[\w.+~-]+)+/lib/python3\.\d+/"), "python/"),
    (re.compile(r"/(?:var/)?tmp/[\w./+~-]+"), "TEMPORARY"),
    # A line number changes with every release.
    (re.compile(r"(\.py):\d+\b"), r"\1"),
    (re.compile(r"\bline \d+\b"), "line …"),
    # (pid 123), [123], 0.52 s
    (re.compile(r"\b(pid|PID|tid|thread)[ =:]+\d+"), r"\1 …"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:s|ms|µs|us|sec|seconds)\b"), "… s"),
)
_LONGEST = 500


def normalized(text: str) -> str:
    """``text`` without colours, paths, addresses, times and line numbers: equal in two runs of the same code."""
    text = _ESCAPES.sub("", text)
    for pattern, replacement in _VARIABLE:
        text = pattern.sub(replacement, text)
    text = printable(" ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class Recognized(NamedTuple):
    """What a known message means."""

    text: str
    bound: Bound | None = None
    by: str = ""
    """The distribution that it is about, if that is not the writer."""


_Read = Callable[[re.Match[str], str], Recognized]

_DISTRIBUTIONS = {"pytorch": "torch", "sklearn": "scikit-learn", "pil": "pillow"}
"""Names that messages use instead of those of distributions."""


def recognized(text: str, by: str, user: str = "") -> Recognized | None:
    """What the normalized ``text``, which the distribution ``by`` wrote, means for it; None if it is not known.

    ``user`` is the distribution that used it then. Only messages that mean that something does not work are known.
    """
    for pattern, read in _KNOWN:
        found = pattern.search(text)
        if found is not None:
            # NumPy writes about the module that imports it.
            about = user if read is _old_numpy and user else by
            return read(found, about)
    return None


def _named(word: str) -> str:
    name = re.sub(r"[-_.]+", "-", word).lower()
    return _DISTRIBUTIONS.get(name, name)


def _bound(by: str, package: str, specifier: str) -> Bound | None:
    try:
        bound = str(parse_specifiers(specifier))
    except InvalidSpecifier:
        return None
    return Bound(by, _named(package), bound)


def _disabled(found: re.Match[str], by: str) -> Recognized:
    part, package, bound = found["part"], found["package"], found["bound"].replace(" ", "")
    return Recognized(f"{by} disables its use of {part}: it requires {package} {bound}", _bound(by, package, bound))


def _old_numpy(found: re.Match[str], by: str) -> Recognized:
    module = "a module" if by == "numpy" else by
    return Recognized(
        f"{module} was compiled for NumPy 1, and does not work with NumPy 2", Bound(by, "numpy", "<2"), by
    )


def _supported_range(found: re.Match[str], by: str) -> Recognized:
    bound = f">={found['least']},<{found['below']}"
    return Recognized(f"{by} requires {found['package']} {bound}", _bound(by, found["package"], bound))


def _at_most(found: re.Match[str], by: str) -> Recognized:
    # 2.3 includes 2.3.5.
    *first, last = found["version"].split(".")
    bound = f"<{'.'.join([*first, str(int(last) + 1)])}"
    return Recognized(f"{by} requires {found['package']} {bound}", _bound(by, found["package"], bound))


def _newer(found: re.Match[str], by: str) -> Recognized:
    bound = f">={found['version']}"
    return Recognized(f"{by} requires {found['package']} {bound}", _bound(by, found["package"], bound))


def _as_written(found: re.Match[str], by: str) -> Recognized:
    return Recognized(found.string)


_WORD = r"[A-Za-z0-9][\w.-]*"
_VERSION = r"\d+(?:\.\d+)*(?:\w+)?"
_KNOWN: tuple[tuple[re.Pattern[str], _Read], ...] = (
    # transformers 5: Disabling PyTorch because PyTorch >= 2.6 is required but found 2.5.1
    (
        re.compile(
            rf"Disabling (?P<part>{_WORD}) because (?P<package>{_WORD}?)"
            rf" ?(?P<bound>(?:[<>]=?|[=!~]=) ?{_VERSION}) is required"
        ),
        _disabled,
    ),
    # numpy: A module that was compiled using NumPy 1.x cannot be run in NumPy 2.3.4 as it may crash.
    (re.compile(r"compiled using NumPy 1\.x"), _old_numpy),
    # scipy: A NumPy version >=1.23.5 and <2.3.0 is required for this version of SciPy (detected version 2.3.4)
    (
        re.compile(rf"A (?P<package>{_WORD}) version >=(?P<least>{_VERSION}) and <(?P<below>{_VERSION}) is required"),
        _supported_range,
    ),
    # numba: Numba needs NumPy 2.3 or less. Got NumPy 2.4.
    (re.compile(r"needs (?P<package>NumPy) (?P<version>\d+(?:\.\d+)*) or less"), _at_most),
    # pandas: Pandas requires version '2.8.4' or newer of 'numexpr' (version '2.7.3' currently installed).
    (
        re.compile(rf"requires version '(?P<version>{_VERSION})' or newer of '(?P<package>{_WORD})'"),
        _newer,
    ),
    # requests: urllib3 (2.2.0) or chardet (5.2.0)/charset_normalizer (3.3.2) doesn't match a supported version!
    (re.compile(r"doesn't match a supported version"), _as_written),
    # torch, ctranslate2: Could not load library libcudnn_ops.so.9, Unable to load any of {libcudnn_cnn.so.9, …}
    (re.compile(r"(?:Could not load|Unable to load)\b.*\blib\w+\.so", re.IGNORECASE), _as_written),
    (re.compile(r"\b(?:cu\w+|libcu\w+)\b.*\b(?:not found|cannot be found|is missing)", re.IGNORECASE), _as_written),
    # torchvision: Failed to load image Python extension: … undefined symbol
    (re.compile(r"Failed to load \w+ Python extension"), _as_written),
    (re.compile(r"undefined symbol: "), _as_written),
)
