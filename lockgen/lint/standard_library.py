"""The modules of the standard library of a Python version."""

from __future__ import annotations

from collections.abc import Collection

# By the version that added them.
_ADDED = {
    "3.9": {"graphlib", "zoneinfo"},
    "3.11": {"tomllib"},
    "3.14": {"annotationlib", "compression"},
}

# By the version that removed them (PEP 632, PEP 594).
_REMOVED = {
    "3.12": {"asynchat", "asyncore", "distutils", "imp", "smtpd"},
    "3.13": {
        "aifc",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "imghdr",
        "lib2to3",
        "mailcap",
        "msilib",
        "nis",
        "nntplib",
        "ossaudiodev",
        "pipes",
        "sndhdr",
        "spwd",
        "sunau",
        "telnetlib",
        "uu",
        "xdrlib",
    },
}


def standard_library(running: Collection[str], python: str) -> frozenset[str]:
    """The top-level modules of Python ``python`` ("3.11"), derived from those of the ``running`` Python."""
    target = _version(python)
    # Both are always importable, but sys.stdlib_module_names lacks the first one.
    names = {*running, "__main__", "__future__"}
    for version, removed in _REMOVED.items():
        if target >= _version(version):
            names -= removed
        else:
            names |= removed
    for version, added in _ADDED.items():
        if target >= _version(version):
            names |= added
        else:
            names -= added
    return frozenset(names)


def added_in(module: str) -> str | None:
    """The Python version that added ``module`` to the standard library, None if it is not a recent module."""
    for version, added in _ADDED.items():
        if module in added:
            return version
    return None


def _version(python: str) -> tuple[int, ...]:
    return tuple(int(number) for number in python.split("."))
