"""Lines that code writes: what differs from run to run is removed, and known messages are understood."""

from __future__ import annotations

import pytest

from lockgen.proof.messages import normalized, recognized
from lockgen.proof.model import Bound


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[33mwarning\x1b[0m: slow", "warning: slow"),
        ("2026-11-28 03:14:15,926 - INFO - ready", "TIME - INFO - ready"),
        ("<Thing object at 0x7f12ab34cd>", "<Thing object at ADDRESS>"),
        ("/root/run/venv/lib/python3.11/site-packages/a/b.py:12: odd", "a/b.py: odd"),
        (
            "  File /root/x/lib/python3.11/json/decoder.py, line 353, in decode",
            "File python/json/decoder.py, line …, in decode",
        ),
        ("took 0.52 s", "took … s"),
        ("a\tb\n  c", "a b c"),
    ],
)
def test_a_line_is_the_same_in_two_runs(text: str, expected: str) -> None:
    assert normalized(text) == expected


def test_a_long_line_is_cut_and_control_characters_are_replaced() -> None:
    assert len(normalized("x" * 10_000)) == 501
    assert "\u202e" not in normalized("a\u202eb")


@pytest.mark.parametrize(
    ("text", "package", "specifier"),
    [
        ("Disabling PyTorch because PyTorch >= 2.6 is required but found 2.5.1", "torch", ">=2.6"),
        ("Disabling TensorFlow because TensorFlow>=2.1 is required but found 1.15", "tensorflow", ">=2.1"),
        ("A module that was compiled using NumPy 1.x cannot be run in NumPy 2.3.4 as it may crash.", "numpy", "<2"),
        (
            "UserWarning: A NumPy version >=1.23.5 and <2.3.0 is required for this version of SciPy",
            "numpy",
            "<2.3.0,>=1.23.5",
        ),
        ("ImportError: Numba needs NumPy 2.3 or less. Got NumPy 2.4.", "numpy", "<2.4"),
        (
            "UserWarning: Pandas requires version '2.8.4' or newer of 'numexpr' (version '2.7.3' currently installed).",
            "numexpr",
            ">=2.8.4",
        ),
    ],
)
def test_a_known_message_names_what_it_requires(text: str, package: str, specifier: str) -> None:
    found = recognized(text, "writer")
    assert found is not None
    assert found.bound == Bound("writer", package, specifier)


def test_numpy_writes_about_the_module_that_uses_it() -> None:
    text = "A module that was compiled using NumPy 1.x cannot be run in"
    found = recognized(text, "numpy", "shapely")
    assert found is not None
    assert (found.by, found.bound) == ("shapely", Bound("shapely", "numpy", "<2"))
    assert found.text == "shapely was compiled for NumPy 1, and does not work with NumPy 2"


@pytest.mark.parametrize(
    "text",
    [
        "RequestsDependencyWarning: urllib3 (2.9.0) or chardet (7.0) doesn't match a supported version!",
        "Could not load library libcudnn_ops_infer.so.8. Error: libcudnn_ops_infer.so.8: cannot open",
        "Unable to load any of {libcudnn_cnn.so.9.1.0, libcudnn_cnn.so.9}",
        "UserWarning: Failed to load image Python extension: 'libjpeg.so.8'",
    ],
)
def test_a_known_message_without_a_bound(text: str) -> None:
    found = recognized(text, "writer")
    assert found is not None
    assert found.bound is None


@pytest.mark.parametrize("text", ["Using the slow tokenizer", "loading weights", "numpy is required", ""])
def test_other_messages_say_nothing(text: str) -> None:
    assert recognized(text, "writer") is None
