"""Each pattern of versions.toml, character by character: what a value may begin with, contain and end with.

Many of these values become words of a Dockerfile, of a shell command, of an HCL string or of a git command, so one more
character may change what runs. Both readers are tested: without pydantic, and with it.
"""

from __future__ import annotations

import string
from typing import Any

import pytest

from lockgen.manifest.schema import validate
from lockgen.manifest.table_reader import UnlikeSchema, read_tables
from lockgen.manifest.tables import VersionsFile

LOWER = string.ascii_lowercase
LETTERS = string.ascii_letters
DIGITS = string.digits
ASCII = "".join(map(chr, range(128)))
# Letters, digits, spaces, a line end and a direction mark that are not ASCII.
CHARACTERS = ASCII + "éßİ٣０²\u00a0\u0085\u2028\u202e"

MINIMAL: dict[str, Any] = {
    "family": {"name": "f", "python": "3.11"},
    "variants": {"cpu": {"from": "python:3.11"}},
    "bases": {"base": {}},
}


def family(key: str, value: str) -> dict[str, Any]:
    return {**MINIMAL, "family": {"name": "f", "python": "3.11", key: value}}


def named(table: str, content: dict[str, Any], name: str) -> dict[str, Any]:
    return {**MINIMAL, table: {name: content}}


def variant(key: str, value: str) -> dict[str, Any]:
    return named("variants", {"from": "python:3.11", key: value}, "cpu")


def base(key: str, value: object) -> dict[str, Any]:
    return named("bases", {key: value}, "base")


def update(key: str, value: object) -> dict[str, Any]:
    return {**MINIMAL, "update": {key: value}}


def group(key: str, value: str) -> dict[str, Any]:
    return update("groups", {"g": {"packages": ["a"], key: [value]}})


PLACES = {
    "family name": lambda value: family("name", value),
    "image": lambda value: named("bases", {}, value),
    "variant": lambda value: named("variants", {"from": "python:3.11"}, value),
    "index": lambda value: named("index", {"url": "https://a", "packages": ["torch"]}, value),
    "registry": lambda value: family("registry", value),
    "base image": lambda value: variant("from", value),
    "python": lambda value: family("python", value),
    "python of the matrix": lambda value: {**MINIMAL, "compat": {"python": [value]}},
    "glibc": lambda value: family("glibc", value),
    "url": lambda value: named("index", {"url": value, "packages": ["torch"]}, "a"),
    "folder": lambda value: base("copy", [value]),
    "apt": lambda value: base("apt", [value]),
    "env name": lambda value: base("env", {value: "x"}),
    "env value": lambda value: base("env", {"NAME": value}),
    "program": lambda value: named("stages", {"from": "base", "entrypoint": value}, "api"),
    "ppa": lambda value: variant("ppa", value),
    "user": lambda value: family("user", value),
    "module": lambda value: base("preload", [value]),
    "group": lambda value: update("groups", {value: {"packages": ["a"]}}),
    "package pattern": lambda value: group("packages", value),
    "image pattern": lambda value: group("base-images", value),
    "branch": lambda value: update("base", value),
    "prefix": lambda value: update("prefix", value),
    "label": lambda value: update("labels", [value]),
    "advisory": lambda value: {**MINIMAL, "audit": {"ignore": [{"id": value, "reason": "x"}]}},
    "size": lambda value: {**MINIMAL, "budgets": {"max-image": value}},
}

NAME = LOWER + DIGITS
WORD = LETTERS + DIGITS
URL = WORD + "!#%&()*+,./:;=?@[]^_{|}~-"
FOLDER = WORD + "_./+-"
APT = NAME + "+.-"
VALUE = WORD + " _./:=,@%+~-"
ARGUMENT = WORD + "_./:=@+,-"
BRANCH = WORD + "_.-"
LABEL = "".join(set(CHARACTERS) - set(",\n\r\t"))
LABEL_END = "".join(character for character in LABEL if not character.isspace())

# The place, a value with `?` for one character, and all characters that are valid there.
ADMITTED = [
    *((place, "?", NAME) for place in ("family name", "image", "group")),
    *((place, "?a", NAME) for place in ("family name", "image", "group")),
    *((place, "a?", NAME) for place in ("family name", "image", "group")),
    *((place, "a?b", NAME + "._-") for place in ("family name", "image", "group")),
    *((place, "a_?b", NAME + "_") for place in ("family name", "image")),
    *((place, "a-?b", NAME + "-") for place in ("family name", "image")),
    *((place, "a.?b", NAME) for place in ("family name", "image", "group")),
    *(("group", f"a{joint}?b", NAME) for joint in "_-"),
    ("variant", "?", NAME),
    ("variant", "?a", NAME),
    ("variant", "a?", NAME + "_.-"),
    ("variant", "a?b", NAME + "_.-"),
    ("index", "?", NAME),
    ("index", "?a", NAME),
    ("index", "a?", NAME + "_-"),
    ("index", "a?b", NAME + "_-"),
    ("registry", "?", NAME),
    ("registry", "?a", NAME),
    ("registry", "a?", NAME),
    ("registry", "a?b", NAME + "._-/"),
    ("registry", "a.?b", NAME),
    ("registry", "a:?", DIGITS),
    ("registry", "a:5?", DIGITS),
    ("registry", "a:5?b", "/"),
    ("registry", "a/?", NAME),
    ("registry", "a/b?", NAME),
    ("registry", "a/b?c", NAME + "._-/"),
    ("registry", "a/b.?", NAME),
    ("registry", "a/b.?c", NAME + "._-"),
    ("base image", "?", WORD),
    ("base image", "?a", WORD),
    ("base image", "a?", WORD),
    ("base image", "a?b", WORD + "._-:/"),
    ("base image", "a.?", WORD),
    ("base image", "a.?b", WORD + "._-"),
    ("base image", "a:5?b", WORD + "._-:/"),
    ("base image", "a:?", WORD + "_"),
    ("base image", "a:b?", WORD + "._-"),
    ("base image", "a:?b", WORD + "_"),
    ("base image", "a/?", NAME),
    ("base image", "a/b?", NAME),
    ("base image", "a/b?c", NAME + "._-:/"),
    ("base image", "a/b.?", NAME),
    ("base image", "a/b.?c", NAME + "._-"),
    ("base image", "a@sha256:?" + 63 * "0", DIGITS + "abcdef"),
    ("base image", "a@sha256:" + 63 * "0" + "?", DIGITS + "abcdef"),
    ("base image", "a@sha256:" + 64 * "0" + "?", ""),
    ("python", "?.11", "3"),
    ("python", "?3.11", ""),
    ("python", "3?11", "."),
    ("python", "3.?", "89"),
    ("python", "3.1?", DIGITS),
    ("python", "3.?1", "1"),
    ("python", "3.11?", ""),
    ("python", "3.11?9", "."),
    ("python", "3.11.?", DIGITS),
    ("python", "3.11.1?", DIGITS),
    ("python", "3.11.?1", "123456789"),
    ("python", "3.11.11?", ""),
    ("python of the matrix", "?.11", "3"),
    ("python of the matrix", "?3.11", ""),
    ("python of the matrix", "3?11", "."),
    ("python of the matrix", "3.?", "89"),
    ("python of the matrix", "3.1?", DIGITS),
    ("python of the matrix", "3.?1", "1"),
    ("python of the matrix", "3.11?", ""),
    ("glibc", "?.35", "2"),
    ("glibc", "?2.35", ""),
    ("glibc", "2?35", "."),
    ("glibc", "2.?", DIGITS),
    ("glibc", "2.3?", DIGITS),
    ("glibc", "2.35?", ""),
    ("url", "https://?", URL),
    ("url", "https://a?", URL),
    ("url", "https://a?b", URL),
    ("url", "http?://a", "s"),
    ("url", "?https://a", ""),
    ("url", "?ttps://a", "h"),
    ("url", "https?//a", ":"),
    ("folder", "?", WORD + "_."),
    ("folder", "?a", WORD + "_."),
    ("folder", "a?", FOLDER),
    ("folder", "a?b", FOLDER),
    ("apt", "?a", NAME),
    ("apt", "a?", APT),
    ("apt", "a?b", APT),
    ("apt", "ab?c", APT + ":="),
    ("apt", "ab:?", NAME),
    ("apt", "ab:c?", NAME),
    ("apt", "ab:c?d", NAME + "="),
    ("apt", "ab=?", WORD + ".+:~-"),
    ("apt", "ab=1?", WORD + ".+:~-"),
    ("apt", "ab=1?2", WORD + ".+:~-"),
    ("env name", "?", LETTERS + "_"),
    ("env name", "?a", LETTERS + "_"),
    ("env name", "a?", WORD + "_"),
    ("env name", "a?b", WORD + "_"),
    ("env value", "?", VALUE),
    ("env value", "?a", VALUE),
    ("env value", "a?", VALUE),
    ("env value", "a?b", VALUE),
    ("program", "?", WORD + "_"),
    ("program", "?a", WORD + "_"),
    ("program", "a?", WORD + "_.-"),
    ("program", "a?b", WORD + "_.-"),
    ("ppa", "?/a", NAME),
    ("ppa", "?a/b", NAME),
    ("ppa", "a?/b", NAME + ".+-"),
    ("ppa", "a?b", "/"),
    ("ppa", "a/?", NAME),
    ("ppa", "a/?b", NAME),
    ("ppa", "a/b?", NAME + ".+-"),
    ("user", "?", LOWER + "_"),
    ("user", "?a", LOWER + "_"),
    ("user", "a?", NAME + "_-"),
    ("user", "a?b", NAME + "_-"),
    ("module", "?", LETTERS + "_"),
    ("module", "?a", LETTERS + "_"),
    ("module", "a?", WORD + "_."),
    ("module", "a?b", WORD + "_. "),
    ("module", "a ?", ARGUMENT),
    ("module", "a ?b", ARGUMENT),
    ("module", "a b?", ARGUMENT),
    ("module", "a b?c", ARGUMENT + " "),
    ("package pattern", "?", WORD + "*?"),
    ("package pattern", "?a", WORD + "*?"),
    ("package pattern", "a?", WORD + "._*?-"),
    ("package pattern", "a?b", WORD + "._*?-"),
    ("image pattern", "?", WORD + "*?"),
    ("image pattern", "?a", WORD + "*?"),
    ("image pattern", "a?", WORD + "._*?:/-"),
    ("image pattern", "a?b", WORD + "._*?:/-"),
    ("branch", "?", WORD + "_-"),
    ("branch", "?a", WORD + "_-"),
    ("branch", "a?", BRANCH),
    ("branch", "a?b", BRANCH + "/"),
    ("branch", "a/?", WORD + "_-"),
    ("branch", "a/?b", WORD + "_-"),
    ("branch", "a/b?", BRANCH),
    ("branch", "a/b?c", BRANCH + "/"),
    ("prefix", "?/", WORD + "_-"),
    ("prefix", "?a/", WORD + "_-"),
    ("prefix", "a?", "/-"),
    ("prefix", "a?/", BRANCH),
    ("prefix", "a?b/", BRANCH + "/"),
    ("prefix", "a/?b/", WORD + "_-"),
    ("prefix", "a/b?", "/-"),
    ("prefix", "a/b?/", BRANCH),
    ("prefix", "a/b?c-", BRANCH + "/"),
    ("label", "?", LABEL_END),
    ("label", "?a", LABEL_END),
    ("label", "a?", LABEL_END),
    ("label", "a?b", LABEL),
    ("advisory", "?-a", string.ascii_uppercase),
    ("advisory", "?A-a", string.ascii_uppercase),
    ("advisory", "A?-a", WORD),
    ("advisory", "A?a", "-"),
    ("advisory", "A-?", WORD),
    ("advisory", "A-?a", WORD),
    ("advisory", "A-a?", WORD + "._:-"),
    ("advisory", "A-a?b", WORD + "._:-"),
    ("size", "? GB", DIGITS),
    ("size", "1? GB", DIGITS),
    ("size", "?1 GB", DIGITS),
    ("size", "1?5 GB", DIGITS + "."),
    ("size", "1.? GB", DIGITS),
    ("size", "1.5? GB", DIGITS),
    ("size", "1?GB", DIGITS + " "),
    ("size", "1 ?B", "kMG"),
    ("size", "1 ?iB", "KMG"),
    ("size", "1 G?", "B"),
    ("size", "1 GB?", ""),
]


def is_read(document: dict[str, Any]) -> bool:
    try:
        read_tables(document)
    except UnlikeSchema:
        return False
    return True


def is_valid(document: dict[str, Any]) -> bool:
    return isinstance(validate(document), VersionsFile)


IDS = [f"{place} {text}" for place, text, _ in ADMITTED]


def with_each_character(place: str, value: str) -> dict[str, dict[str, Any]]:
    before, _, after = value.partition("?")
    return {character: PLACES[place](f"{before}{character}{after}") for character in CHARACTERS}


@pytest.mark.parametrize(("place", "value", "admitted"), ADMITTED, ids=IDS)
def test_the_reader_admits_only_these_characters(place: str, value: str, admitted: str) -> None:
    documents = with_each_character(place, value)
    assert sorted(character for character, document in documents.items() if is_read(document)) == sorted(admitted)


@pytest.mark.parametrize(("place", "value", "admitted"), ADMITTED, ids=IDS)
def test_the_schema_admits_only_these_characters(place: str, value: str, admitted: str) -> None:
    documents = with_each_character(place, value)
    valid = {character for character, document in documents.items() if is_valid(document)}
    # To pydantic's regex engine, these four are not white space.
    unlike = set("\x1c\x1d\x1e\x1f")
    assert sorted(valid - unlike) == sorted(set(admitted) - unlike)


# The place, valid values, and values that are not valid: the order and the number of parts.
PARTS = [
    ("image", ["abc1", "a__b", "a---b", "a.b_c-d"], ["", "a___b", "a..b", "a._b", "a/b", "a" * 101]),
    ("variant", ["cu121", "a" * 60], ["", "a" * 61]),
    ("index", ["cu121", "a" * 60], ["", "a" * 61]),
    ("registry", ["r.example.org:5000/a/b__c.d-e"], ["", "a:", "a:5:6", "a//b", "a/b:5", "https://a"]),
    (
        "base image",
        [
            "r.example.org:5000/a/b__c.d-e:3.11@sha256:" + 64 * "f",
            "a:1@sha256:" + 64 * "0",
        ],
        [
            *("", "a:", "a//b", "a/", "a:b:c", "a:5:6/b"),
            *(
                "a@sha256:" + 63 * "0",
                "a@sha256:" + 65 * "0",
                "a@sha512:" + 64 * "0",
                "a" + 2 * ("@sha256:" + 64 * "0"),
            ),
        ],
    ),
    (
        "python",
        ["3.8", "3.9", "3.10", "3.19", "3.11.0", "3.11.99"],
        ["", "3", "3.7", "3.20", "3.011", "3.11.100", "3.11.9.9"],
    ),
    ("python of the matrix", ["3.8", "3.19"], ["", "3", "3.7", "3.20", "3.110"]),
    ("glibc", ["2.5", "2.35"], ["", "2", "2.", "2.100"]),
    ("url", ["http://a", "https://a"], ["", "https://", "file:///a", "ftp://a", "httpss://a", "HTTPS://a"]),
    ("folder", ["a/b-c+d"], ["", "a" * 201]),
    ("apt", ["gcc", "libc6:i386=2.36-9+deb12u4"], ["", "a", "a=", "ab=", "ab:", "ab:c:d", "ab=1=2"]),
    ("env name", ["HF_HOME"], [""]),
    ("env value", ["", "a b"], []),
    ("program", ["a.py"], ["", "a/b"]),
    ("ppa", ["deadsnakes/ppa"], ["", "a", "a/", "/a", "a/b/c"]),
    ("user", ["worker", "a" * 32], ["", "a" * 33]),
    ("module", ["spacy", "a b c"], ["", "a ", " a", "a  b", "a" * 301]),
    ("group", ["a.b_c-d"], ["", "a--b", "a__b"]),
    ("package pattern", ["*", "torch*"], ["", "-a"]),
    ("image pattern", ["nvidia/*"], ["", "/a"]),
    ("branch", ["release/1.0/x"], ["", "/", "a/", "a//b", "/a"]),
    ("prefix", ["lockgen/", "a/b-", "-/", "--"], ["", "/", "-", "a", "a//", "/a/", ".a/", "a/.b/", "./"]),
    ("label", ["a", "two words"], ["", "a,b", " a", "a "]),
    ("advisory", ["CVE-2025-32434", "GHSA-53q9-r3pm-6pq6", "PYSEC-2024-1"], ["", "CVE", "CVE-", "-1", "cve-1"]),
    (
        "size",
        ["8 GB", "1.5GB", "9 B", "1 kB", "1 MB", "1 KiB", "1 MiB", "1 GiB"],
        ["", "8", "GB", "1. GB", ".5 GB", "1  GB", "1 KB", "1 TB", "1.2.3 GB", "-1 GB"],
    ),
]


@pytest.mark.parametrize(("place", "good", "bad"), PARTS, ids=[place for place, _, _ in PARTS])
def test_the_parts_of_a_value(place: str, good: list[str], bad: list[str]) -> None:
    documents = {value: PLACES[place](value) for value in [*good, *bad]}
    assert [value for value in documents if is_read(documents[value])] == good
    assert [value for value in documents if is_valid(documents[value])] == good
