"""Why a Debian package is installed, from the output of dpkg-query."""

from __future__ import annotations

import pytest

from lockgen.images.debian import parse_owners, with_dependencies

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
    ("requested", "expected"),
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
def test_finds_packages_with_their_installed_dependencies(requested: list[str], expected: set[str]) -> None:
    assert with_dependencies(LISTED, requested) == expected


def test_finds_the_package_of_each_file() -> None:
    listed = (
        "gcc: /usr/bin/gcc\nlibc6:amd64, libc6:i386: /lib/ld\ncpp-12, gcc-12: /usr/lib/gcc\n"
        "diversion by dash from: /bin/sh\nlocal diversion from: /usr/bin/x\n"
    )
    found = {"/usr/bin/gcc": "gcc", "/lib/ld": "libc6", "/usr/lib/gcc": "cpp-12"}
    assert parse_owners(listed) == found
