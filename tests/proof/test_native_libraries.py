"""Which libraries count as missing."""

from __future__ import annotations

import pytest

from lockgen.proof.model import Binary
from lockgen.proof.native_libraries import missing


@pytest.mark.parametrize(
    "name",
    [
        "libc.so.6",
        "libm.so.6",
        "libstdc++.so.6",
        "libgcc_s.so.1",
        "libpthread.so.0",
        "ld-linux-x86-64.so.2",
        "libz.so.1",
    ],
)
def test_libraries_of_every_glibc_image_are_not_missing(name: str) -> None:
    assert missing([Binary("a 1", "a.so", "", (name,))]) == ()


@pytest.mark.parametrize("name", ["libcuda.so.1", "libnvidia-ml.so.1"])
def test_libraries_of_the_driver_are_not_missing(name: str) -> None:
    assert missing([Binary("a 1", "a.so", "", (name,))]) == ()


def test_desktop_libraries_have_a_separate_warning() -> None:
    found = missing([Binary("opencv-python 4.11", "cv2.abi3.so", "", ("libGL.so.1",))])
    assert len(found) == 1
    assert found[0].startswith("opencv-python 4.11 requires libGL.so.1, which the system must provide: ")


def test_another_major_version_is_not_the_library() -> None:
    nine = Binary("nvidia-cudnn-cu12 9.1", "libcudnn.so.9", "libcudnn.so.9")
    assert missing([nine, Binary("a 1", "a.so", "", ("libcudnn.so.8",))]) == (
        "a 1 requires libcudnn.so.8, which no package provides",
    )
    assert missing([nine, Binary("a 1", "a.so", "", ("libcudnn.so.9",))]) == ()


def test_a_library_is_also_known_by_its_soname() -> None:
    held = Binary("b 1", "libb-1.2.3.so", "libb.so.1")
    assert missing([held, Binary("a 1", "a.so", "", ("libb.so.1", "libb-1.2.3.so"))]) == ()


def test_each_warning_occurs_once_in_a_fixed_order() -> None:
    binaries = [Binary("b 1", f"{name}.so", "", ("libz9.so.9", "liby.so.1")) for name in "xyz"] + [
        Binary("a 1", "a.so", "", ("libz9.so.9",))
    ]
    assert missing(binaries) == missing(list(reversed(binaries)))
    assert [line.split()[0] + line.split()[3] for line in missing(binaries)] == [
        "alibz9.so.9,",
        "bliby.so.1,",
        "blibz9.so.9,",
    ]
