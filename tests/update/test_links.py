"""Links to release notes: which index is read, and that the metadata of an unrelated package is not used."""

from __future__ import annotations

import pytest
from support.index import LocalIndex, metadata, wheel
from update.conftest import FAMILY

from lockgen.index.model import ReleaseNotes
from lockgen.index.published import Uploads
from lockgen.io.http import Http
from lockgen.manifest.reader import parse_manifest

OWN = """
[index.own]
url = "https://index.example/own"
packages = ["speech", "torch"]

[variants.slow]
from = "python:3.11-slim"
index = "own"
"""


@pytest.fixture
def uploads(index: LocalIndex) -> Uploads:
    """The default index has all of them; its `speech` is unrelated to the one on our own index."""
    for name, version in (("numpy", "1.1"), ("speech", "1.1"), ("torch", "2.6.0")):
        text = f"{metadata(name, version, [], [], None)}Project-URL: Changelog, https://{name}.example/changes\n"
        file, data = wheel(name, version, "py3-none-any", text)
        index.add_file(name, file, data, text)
    return Uploads(Http(), parse_manifest((FAMILY + OWN).encode()))


def test_a_package_with_its_own_index_has_no_link_from_the_default_index(uploads: Uploads, index: LocalIndex) -> None:
    assert uploads.release_notes("speech", "1.1") is None
    assert index.asked == []


def test_a_package_from_the_default_index_has_a_link(uploads: Uploads) -> None:
    assert uploads.release_notes("numpy", "1.1") == ReleaseNotes("numpy", "Changelog", "https://numpy.example/changes")
    assert uploads.release_notes("numpy", "1.2") is None


def test_torch_has_a_link_for_every_accelerator(uploads: Uploads) -> None:
    assert uploads.release_notes("torch", "2.6.0+cu121") == ReleaseNotes(
        "torch", "Changelog", "https://torch.example/changes"
    )
