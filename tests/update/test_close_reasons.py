"""The reasons for closing a pull request."""

from __future__ import annotations

import pytest
from packaging.version import Version

from lockgen.core.manifest import Pin
from lockgen.index.model import Published
from lockgen.update.close_reasons import CloseContext, PastMove, close_reason, moves_in
from lockgen.update.model import BaseCandidate, Candidate, PinKey, UpdateGroup, Waiting

IMAGE = "registry.example:5000/library/python"


def message(*moves: str, title: str = "update a") -> str:
    return "\n".join([title, "", *moves, "", "Lockgen-Update: {}", "Lockgen-Seal: 00"])


def pins(**versions: str) -> dict[str, list[Pin]]:
    return {name: [Pin(Version(one), ()) for one in text.split()] for name, text in versions.items()}


def group(name: str, *packages: str) -> UpdateGroup:
    candidates = tuple(Candidate(package, Version("1"), (Version("2"),)) for package in packages)
    return UpdateGroup(name, candidates, partial=False, key="k")


def test_moves_are_read_from_a_commit_message() -> None:
    said = message(
        "torch: 2.5.1+cu121 -> 2.6.0+cu121",
        "torch: 2.5.1+cpu -> 2.6.0+cpu",
        f"{IMAGE}: 3.11.4-slim -> 3.11.9-slim",
        "exclude-newer: 2025-01-01T00:00:00Z -> 2025-02-01T00:00:00Z",
        title="security: update numpy 1.0 -> 1.1",
    )
    assert moves_in(said) == (
        PastMove("torch", ("2.5.1+cu121", "2.5.1+cpu"), ("2.6.0+cu121", "2.6.0+cpu")),
        PastMove(IMAGE, ("3.11.4-slim",), ("3.11.9-slim",)),
    )
    assert moves_in("my: own -> words") == ()


def word(said: str, known: CloseContext | None, *groups: UpdateGroup, there: tuple[str, ...] = ()) -> str:
    return close_reason("g", said, groups, {name: f"lockgen/{name}" for name in there}, known, "main")


A = message("a: 1.0 -> 1.1")
GENERIC = "Superseded: main has these versions or newer ones, or versions.toml no longer requires them."


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (CloseContext(pins(a="1.1")), "Done: main has a 1.1."),
        (CloseContext(pins(a="1.2+cpu")), "Done: main has a 1.2+cpu."),
        (CloseContext(pins(a="1.1 0.5")), "Done: main has a 1.1."),  # a variant with its own older pin did not move
        (CloseContext(pins(a="1.1 1.0")), GENERIC),
        (CloseContext(pins(a="1.0.5")), GENERIC),
        (CloseContext(), "Superseded: main does not contain a any more."),
        (CloseContext(locked={"a": [Version("1.0")]}), "Superseded: versions.toml no longer pins a."),
        (CloseContext(locked={"a": [Version("1.1")]}), "Done: main has a 1.1."),
        (
            CloseContext({"a": [Pin(Version("1.0"), (), held=True)]}),
            "Superseded: versions.toml now holds a, so lockgen does not move it.",
        ),
        (
            CloseContext(pins(a="1.0"), waiting=[Waiting("a", "1.1+cpu", "ignored: it hangs")]),
            "Superseded: [update] holds a 1.1+cpu back: ignored: it hangs.",
        ),
        (CloseContext(pins(a="1.0"), waiting=[Waiting("a", "1.2", "ignored")]), GENERIC),
        (
            CloseContext(pins(a="1.0"), releases={PinKey("a", ("cpu",)): [Published(Version("1.0"))]}),
            "Superseded: a 1.1 was withdrawn from its index.",
        ),
        (CloseContext(pins(a="1.0"), releases={PinKey("a"): [Published(Version("1.1"))]}), GENERIC),
        (CloseContext(pins(a="1.0"), releases={PinKey("a"): []}), GENERIC),  # the index was not read
        (None, GENERIC),
    ],
)
def test_the_reason_for_a_pin(known: CloseContext | None, expected: str) -> None:
    assert word(A, known) == expected


def test_the_reason_for_a_package_that_was_never_pinned() -> None:
    said = message("a: 1.0 -> 1.1", title="security: update a 1.0 -> 1.1")
    assert word(said, CloseContext(locked={"a": [Version("1.0")]})) == GENERIC
    assert word(said, CloseContext(locked={"a": [Version("1.1")]})) == "Done: main has a 1.1."


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["3.11.9-slim"], f"Done: main has {IMAGE} 3.11.9-slim."),
        (["3.11.11-slim"], f"Done: main has {IMAGE} 3.11.11-slim."),
        ([f"3.11.9-slim@sha256:{'ab' * 32}"], f"Done: main has {IMAGE} 3.11.9-slim@abababababab."),
        (["3.11.4-slim"], f"Superseded: [update] holds {IMAGE} 3.11.9-slim back: ignored."),
        ([], f"Superseded: no variant uses {IMAGE} any more."),
    ],
)
def test_the_reason_for_a_base_image(values: list[str], expected: str) -> None:
    known = CloseContext(images={IMAGE: values} if values else {}, waiting=[Waiting(IMAGE, "3.11.9-slim", "ignored")])
    assert word(message(f"{IMAGE}: 3.11.4-slim -> 3.11.9-slim"), known) == expected


def test_any_new_digest_counts_as_reached() -> None:
    old, new, other = (f"3.11-slim@sha256:{letter * 64}" for letter in "abc")
    said = message(f"{IMAGE}: {old} -> {new}")
    assert word(said, CloseContext(images={IMAGE: [new]})) == f"Done: main has {IMAGE} 3.11-slim@{'b' * 12}."
    assert word(said, CloseContext(images={IMAGE: [other]})) == f"Done: main has {IMAGE} 3.11-slim@{'c' * 12}."
    assert word(said, CloseContext(images={IMAGE: [old]})) == GENERIC


def test_the_reason_for_moves_that_joined_another_group() -> None:
    both = message("a: 1 -> 2", "b: 1 -> 2")
    assert word(both, None, group("audio", "a", "b"), there=("audio",)) == (
        "Superseded: a and b now move with audio, on the branch lockgen/audio."
    )
    assert word(both, None, group("audio", "a", "b")) == "Superseded: a and b now move with the group audio."
    assert word(both, None, group("x", "a"), group("y", "b"), there=("y",)) == (
        "Superseded: a now moves with the group x; b now moves with y, on the branch lockgen/y."
    )
    image = BaseCandidate(IMAGE, ("cpu",), "1", "2")
    floor = UpdateGroup("floor", (), partial=False, key="k", bases=(image,))
    assert word(message(f"{IMAGE}: 1 -> 2"), None, floor) == f"Superseded: {IMAGE} now moves with the group floor."
    assert close_reason("a", "", [group("x", "a")], {}, None, "main") == "Superseded: a now moves with the group x."
    assert close_reason("a", "", [], {}, CloseContext(pins(a="1")), "main") == GENERIC


def test_each_of_several_moves_has_its_own_reason() -> None:
    said = message("a: 1.0 -> 1.1", "b: 1.0 -> 1.1", "c: 1.0 -> 1.1")
    known = CloseContext(pins(a="1.1", b="1.0"), waiting=[Waiting("b", "1.1", "ignored")])
    assert word(said, known, group("x", "c")) == (
        "Superseded: main has a 1.1; [update] holds b 1.1 back: ignored; c now moves with the group x."
    )
    assert (
        word(said, CloseContext(pins(a="1.1", b="1.1", c="1.2")))
        == "Done: main has a 1.1; main has b 1.1; main has c 1.2."
    )


def test_a_long_reason_is_shortened() -> None:
    names = [f"p{number}" for number in range(8)]
    said = message(*(f"{name}: 1.0 -> 1.1" for name in names))
    assert word(said, CloseContext(pins(**dict.fromkeys(names, "1.1")))).endswith(
        "main has p4 1.1. 3 more moves are not listed."
    )
    assert word(said, None, group("x", *names)) == (
        "Superseded: p0, p1, p2, p3, p4 and 3 more now move with the group x."
    )
