"""Why a Debian package is installed, from what dpkg-query prints."""

from __future__ import annotations

import pytest

from lockgen.images.debian import dependents, owners

LISTED = """\
build-essential\t\t, libc6-dev | libc-dev, gcc (>= 4:10.2), make
gcc\tc-compiler, gcc-x86-64-linux-gnu (= 4:12.2.0-3)\t, cpp (= 4:12.2.0-3), gcc-12 (>= 12.2.0-1~)
gcc-12\t\t, cpp-12 (= 12.2.0-14+deb12u1), binutils:any (>= 2.40)
cpp\t\t, cpp-12
cpp-12\t\t, libc6
binutils\t\tlibc6 (>= 2.36), libctf0
libc6-dev\tlibc-dev\t, libc6, linux-libc-dev
linux-libc-dev\t\t, \n\
make\t\t, libc6
tcc\tc-compiler\t, libc6
"""


@pytest.mark.parametrize(
    ("asked", "brought"),
    [
        ([], set()),
        (["ffmpeg"], set()),
        (["gcc=4:12.2.0-3"], {"gcc", "cpp", "gcc-12", "cpp-12", "binutils"}),
        (["binutils:amd64"], {"binutils"}),
        (["c-compiler"], {"gcc", "cpp", "gcc-12", "cpp-12", "binutils", "tcc"}),
        (["libc-dev"], {"libc6-dev", "linux-libc-dev"}),
        (["make", "tcc"], {"make", "tcc"}),
    ],
)
def test_what_comes_with_what_was_asked_for(asked: list[str], brought: set[str]) -> None:
    assert dependents(LISTED, asked) == brought


def test_whose_a_file_is() -> None:
    listed = (
        "gcc: /usr/bin/gcc\nlibc6:amd64, libc6:i386: /lib/ld\ncpp-12, gcc-12: /usr/lib/gcc\n"
        "diversion by dash from: /bin/sh\nlocal diversion from: /usr/bin/x\n"
    )
    found = {"/usr/bin/gcc": "gcc", "/lib/ld": "libc6", "/usr/lib/gcc": "cpp-12"}
    assert owners(listed) == found
