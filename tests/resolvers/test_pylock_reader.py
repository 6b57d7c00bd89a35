"""The pylock.toml that uv writes."""

from __future__ import annotations

import pytest
from packaging.version import Version

from lockgen.resolvers.pylock_reader import PylockFile, PylockPackage, parse_pylock

HASH = "ab" * 32
HEAD = 'lock-version = "1.0"\ncreated-by = "uv"\n'
PACKAGE = '[[packages]]\nname = "a-b"\nversion = "1.0"\n'


def test_wheels_and_source_distributions_are_files() -> None:
    text = (
        f'{HEAD}{PACKAGE}wheels = [{{ url = "https://i.example/a_b-1.0%2Bx-py3-none-any.whl", size = 3, '
        f'hashes = {{ sha256 = "{HASH}" }} }}]\nsdist = {{ name = "a_b-1.0.tar.gz", path = "/x y/z", hashes = {{}} }}\n'
    )
    assert parse_pylock(text) == [
        PylockPackage(
            "a-b",
            Version("1.0"),
            (
                PylockFile("a_b-1.0+x-py3-none-any.whl", "https://i.example/a_b-1.0%2Bx-py3-none-any.whl", HASH, 3),
                PylockFile("a_b-1.0.tar.gz", "file:///x%20y/z", None, None),
            ),
        )
    ]


def test_a_wheel_name_that_packaging_rejects_does_not_hide_the_others() -> None:
    names = ("a__b-1.0-py3-none-any.whl", "a_b-1.0-py3-none-any.whl")
    wheels = ", ".join(f'{{ url = "https://i.example/{name}", hashes = {{ sha256 = "{HASH}" }} }}' for name in names)
    (package,) = parse_pylock(f"{HEAD}{PACKAGE}wheels = [{wheels}]\n")
    assert tuple(file.name for file in package.files) == names


def test_no_packages_are_an_empty_list() -> None:
    assert parse_pylock(HEAD) == []


@pytest.mark.parametrize("text", ["{", '[[packages]]\nname = "x"\n', '[[packages]]\nname = "x"\nversion = "new"\n'])
def test_an_invalid_document_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse_pylock(text)
