"""The link to a project's release notes, from its Core Metadata."""

from __future__ import annotations

import pytest

from lockgen.index.project_urls import release_notes_link


def link_in(*lines: str) -> tuple[str, str] | None:
    headers = ["Metadata-Version: 2.1", "Name: numpy", "Version: 1.0", *lines]
    return release_notes_link(("\n".join(headers) + "\n\n").encode())


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (
            ["Project-URL: Homepage, https://numpy.org", "Project-URL: Release-Notes, https://numpy.org/news"],
            ("Release-Notes", "https://numpy.org/news"),
        ),
        (["Home-page: https://github.com/numpy/numpy"], ("Releases", "https://github.com/numpy/numpy/releases")),
        (
            ["Project-URL: Source, https://github.com/numpy/numpy.git"],
            ("Releases", "https://github.com/numpy/numpy/releases"),
        ),
        (["Project-URL: Code, https://gitlab.com/a/b/"], ("Releases", "https://gitlab.com/a/b/-/releases")),
        (
            ["Project-URL: Source, https://github.com/numpy/numpy/tree/main"],
            ("Source", "https://github.com/numpy/numpy/tree/main"),
        ),
        (
            ["Project-URL: Changelog, https://github.com/numpy/numpy"],
            ("Releases", "https://github.com/numpy/numpy/releases"),
        ),
        (["Home-page: https://numpy.org"], ("Homepage", "https://numpy.org")),
        (["Project-URL: Funding, https://numpy.org/money"], None),
    ],
)
def test_the_best_link_is_chosen(lines: list[str], found: tuple[str, str] | None) -> None:
    assert link_in(*lines) == found
