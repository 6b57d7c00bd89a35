"""uv's hints never reach the user: they name options that lockgen does not have."""

from __future__ import annotations

import pytest

from lockgen.resolvers.pip_messages import readable_part
from lockgen.resolvers.uv_hints import without_hints

FOREIGN = (
    "exclude-newer-package",
    "tool.uv",
    "--prerelease",
    "--index-strategy",
    "--no-build-isolation",
    "uv pip",
    "--build-constraint",
    "pyproject.toml",
    "ignore-error-codes",
)

BUILD = """\
Failed to build `openai-whisper==20240930`
  cause: The build backend returned an error

[stderr]
ModuleNotFoundError: No module named 'pkg_resources'

hint: This error likely indicates that `openai-whisper@20240930` depends on `pkg_resources`, but doesn't declare it as \
a build dependency. If `openai-whisper` is a first-party package, consider adding `setuptools` to its \
`build-system.requires`. Otherwise, either add it to your `pyproject.toml` under:

[tool.uv.extra-build-dependencies]
openai-whisper = ["setuptools"]

or `uv pip install setuptools` into the environment and re-run with `--no-build-isolation`."""

HINTS = {
    "hint: `requests` was filtered by `exclude-newer` to only include packages uploaded before 2025-06-01T00:00:00Z. "
    "Consider using `exclude-newer-package` to override the cutoff for this package.": "[family] exclude-newer",
    "hint: Pre-releases are available for `pre` in the requested range (e.g., 2.0b1), but pre-releases weren't enabled "
    "(try: `--prerelease=allow`)": '[pins] pre = "2.0b1"',
    "hint: `torch` was found on file:///x, but not at the requested version (torch==2.9). A compatible version may be "
    "available on a subsequent index (e.g., y). If all indexes are equally trusted, use `--index-strategy "
    "unsafe-best-match` to consider all versions from all indexes": "a version of torch that its index has",
    "hint: This error likely indicates that `flash-attn@2.6.3` depends on `torch`, but doesn't declare it as a build "
    "dependency. Otherwise, `uv pip install torch` into the environment and re-run with `--no-build-isolation`.": (
        "`flash-attn@2.6.3` imports `torch` in its build"
    ),
    "hint: This error likely indicates that you need to install a library that provides `ffmpeg.h` for `av@11.0.0`": (
        "name it in `build-apt`"
    ),
    "hint: `distutils` was removed from the standard library in Python 3.12. Consider adding a constraint (like "
    "`numpy >1.21`) to avoid building a version of `numpy` that depends on `distutils`.": (
        "numpy needs `distutils`, which Python 3.12 removed"
    ),
    "hint: An index (https://index.example/simple) returned a 403 Forbidden error, but uv received a successful "
    "response from another request to the index. consider adding `ignore-error-codes = [403]`": (
        "index https://index.example/simple refused a request"
    ),
    "hint: An index URL (https://index.example/simple) could not be queried due to a lack of valid authentication "
    "credentials (401 Unauthorized).": "check its URL and credentials",
    "hint: You require CPython 3.11 (`cp311`), but we only found wheels for `native` (v1.0) with the following Python "
    "ABI tag: `cp312`": "the wheels of native 1.0 are for `cp312`, not for CPython 3.11 (`cp311`)",
    "hint: Wheels are available for `native` (v1.0) on the following platform: `win_amd64`": (
        "the wheels of native 1.0 are for other platforms: `win_amd64`"
    ),
}


@pytest.mark.parametrize(("hint", "words"), HINTS.items())
def test_a_known_hint_is_translated(hint: str, words: str) -> None:
    advice = without_hints(f"Because a, we can conclude b.\n\n{hint}")
    assert advice.text == "Because a, we can conclude b."
    assert words in "\n".join(advice.hints)
    assert not any(foreign in "\n".join(advice.hints) for foreign in FOREIGN)


def test_a_hint_with_a_table_is_one_hint() -> None:
    advice = without_hints(BUILD)
    assert advice.text.endswith("No module named 'pkg_resources'")
    assert not any(foreign in advice.text for foreign in FOREIGN)
    assert 'setuptools = "80.9.0"' in advice.hints[0]


def test_an_unknown_hint_is_dropped_and_what_follows_stays() -> None:
    advice = without_hints("first\n\nhint: use `--frobnicate`\n  on two lines\nhint: or `--not`\n\nlast")
    assert advice.text == "first\n\nlast"
    assert advice.hints == ()


def test_hints_within_an_indented_report() -> None:
    hint = "hint: Pre-releases are available for `b` in the requested range (e.g., 1rc1), but they weren't"
    assert without_hints(f"Because a.\n\n    {hint}").hints == (
        'pre-releases count only if they are named: [pins] b = "1rc1"',
    )


@pytest.mark.parametrize(
    "line",
    [
        "note: This error originates from a subprocess, and is likely not a problem with pip.",
        "hint: See above for details.",
        "╰─> See above for output.",
        "[notice] To update, run: pip install --upgrade pip",
        "  If you want to allow it, use --pre.",
        "Consider --no-build-isolation.",
    ],
)
def test_advice_of_pip_is_dropped(line: str) -> None:
    assert readable_part(f"ERROR: it failed\n{line}\nmore") == "ERROR: it failed\nmore"
