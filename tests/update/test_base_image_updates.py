"""Which base image is due: tags, digests, the policy, first sights; no registry is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lockgen.core.image_reference import ImageReference, parse_reference
from lockgen.core.update_policy import BASES_GROUP, GroupPolicy, Policy
from lockgen.errors import BadInput, ToolFailed
from lockgen.registry.model import Offer
from lockgen.update import base_image_updates as baseimages
from lockgen.update.base_image_updates import Rules, due

NOW = datetime(2025, 6, 1, tzinfo=UTC)
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def digest_of(reference: ImageReference) -> str:
    return {"3.11.9-slim": NEW}[reference.tag]


def rules(policy: Policy | None = None, seen: dict[str, datetime] | None = None) -> Rules:
    return Rules(policy or Policy(), {"image:python": seen or {}}, NOW, digest_of)


def offer(text: str, *newer: str, digest: str | None = None) -> Offer:
    return Offer(parse_reference(text), ("cpu",), newer, digest)


@pytest.mark.parametrize(
    ("given", "new"),
    [
        (offer("python:3.11.4-slim"), None),
        (offer("python:3.11.4-slim", "3.11.5-slim", "3.11.9-slim"), "3.11.9-slim"),
        (offer(f"python:3.11.4-slim@{OLD}", digest=OLD), None),
        (offer(f"python:3.11.4-slim@{OLD}", digest=NEW), f"3.11.4-slim@{NEW}"),
        (offer(f"python:3.11.4-slim@{OLD}", "3.11.9-slim", digest=OLD), f"3.11.9-slim@{NEW}"),
        (offer(f"python@{OLD}", digest=NEW), f"latest@{NEW}"),
    ],
)
def test_the_newest_with_a_digest_where_one_is_pinned(given: Offer, new: str | None) -> None:
    found, waiting = due(given, rules())
    assert (found.new if found is not None else None, waiting) == (new, [])


def test_what_it_is_called_on_the_command_line() -> None:
    found, _ = due(Offer(parse_reference("host:5000/python:3.11.4"), ("cpu", "slow"), ("3.11.9",)), rules())
    assert found is not None
    assert (found.name, found.old, found.bases) == (
        "host:5000/python",
        "3.11.4",
        ("cpu=host:5000/python:3.11.9", "slow=host:5000/python:3.11.9"),
    )


def test_a_tag_that_waits_lets_an_older_one_go() -> None:
    policy = Policy(cooldown=7)
    seen = {"3.11.8-slim": NOW - timedelta(days=8), "3.11.9-slim": NOW - timedelta(days=2)}
    found, waiting = due(offer("python:3.11.4-slim", "3.11.8-slim", "3.11.9-slim"), rules(policy, seen))
    assert found is not None
    assert found.new == "3.11.8-slim"
    assert [(one.version, one.why) for one in waiting] == [("3.11.9-slim", "7 days of cooldown end 2025-06-06")]


def test_a_digest_that_waits_is_told_by_its_first_digits() -> None:
    found, waiting = due(offer(f"python:3.11-slim@{OLD}", digest=NEW), rules(Policy(cooldown=7)))
    assert found is None
    assert waiting[0].version == "3.11-slim@bbbbbbbbbbbb"


def test_a_group_has_steps_and_a_cooldown_of_its_own() -> None:
    group = GroupPolicy("floor", (), ("patch",), cooldown=0, images=("pyth*",))
    given = offer("python:3.11.4-slim", "3.11.9-slim", "3.12.0-slim")
    found, waiting = due(given, rules(Policy(groups=(group,), cooldown=90)))
    assert found is not None
    assert found.new == "3.11.9-slim"
    assert [one.why for one in waiting] == ["a minor step, and the group takes patch"]
    assert baseimages.group_of(Policy(groups=(group,)), "debian").name == BASES_GROUP


def test_the_group_of_all_others_may_be_described() -> None:
    own = GroupPolicy(BASES_GROUP, (), ("major",))
    assert baseimages.group_of(Policy(groups=(own,)), "debian") is own


def test_first_sights_are_kept_and_what_is_gone_is_not() -> None:
    then = NOW - timedelta(days=3)
    seen = {"image:python": {"3.11.9-slim": then, "3.11.5-slim": then}}
    given = offer(f"python:3.11.4-slim@{OLD}", "3.11.9-slim", "3.11.10-slim", digest=NEW)
    assert baseimages.unseen([given], seen, NOW) == {
        "image:python": {"3.11.9-slim": then, "3.11.10-slim": NOW, f"3.11.4-slim@{NEW}": NOW}
    }


PINNED = f"3.11-slim@{OLD}"


def at(letter: str) -> str:
    return f"3.11-slim@sha256:{letter * 64}"


def days(**ages: int) -> dict[str, datetime]:
    """First sights of digests, by how many days ago they were."""
    return {at(letter): NOW - timedelta(days=age) for letter, age in ages.items()}


def has(*gone: str) -> Rules:
    """A registry that has every digest but those, and first sights of five; b and c have cooled."""

    def asked(reference: ImageReference) -> str:
        assert reference.digest is not None
        if reference.digest[-1] in gone:
            raise BadInput("there is no such image")
        return reference.digest

    return Rules(Policy(cooldown=7), {"image:python": days(b=20, c=10, d=3, e=1)}, NOW, asked)


@pytest.mark.parametrize(
    ("gone", "new"),
    [((), at("c")), (("c",), at("b")), (("b", "c"), None)],
    ids=["the newest that has cooled", "it is gone", "all are gone"],
)
def test_while_a_digest_cools_the_one_before_it_may_move(gone: tuple[str, ...], new: str | None) -> None:
    found, waiting = due(offer(f"python:{PINNED}", digest=at("e").partition("@")[2]), has(*gone))
    assert (found.new if found is not None else None) == new
    assert [one.version for one in waiting] == ["3.11-slim@eeeeeeeeeeee"]


def test_a_registry_that_fails_does_not_say_that_a_digest_is_gone() -> None:
    def silent(_: ImageReference) -> str:
        raise ToolFailed("no answer")

    rules = Rules(Policy(cooldown=7), {"image:python": days(b=20, c=1)}, NOW, silent)
    with pytest.raises(ToolFailed):
        due(offer(f"python:{PINNED}", digest=at("c").partition("@")[2]), rules)


@pytest.mark.parametrize(
    ("pinned", "now", "kept"),
    [
        ("a", "e", "bcde"),
        ("c", "e", "de"),
        ("a", "f", "bcdef"),
        ("e", "e", ""),
        ("f", "f", ""),
        ("a", "c", "bc"),
    ],
    ids=["a later one", "what is pinned was seen", "it is new", "it is pinned", "a new one is pinned", "it went back"],
)
def test_first_sights_of_what_a_tag_was_are_kept(pinned: str, now: str, kept: str) -> None:
    seen = {"image:python": days(b=20, c=10, d=3, e=1) | {"3.11.4-slim@sha256:00": NOW, "3.11.5-slim": NOW}}
    given = offer(f"python:{at(pinned)}", digest=at(now).partition("@")[2])
    ages = {"b": 20, "c": 10, "d": 3, "e": 1, "f": 0}
    wanted = {"image:python": days(**{letter: ages[letter] for letter in kept})} if kept else {}
    assert baseimages.unseen([given], seen, NOW) == wanted


def test_a_tag_that_is_built_every_day_leaves_no_endless_record() -> None:
    known = {f"3.11-slim@sha256:{n:064}": NOW - timedelta(days=n) for n in range(1, 100)}
    given = offer(f"python:{PINNED}", digest=NEW)
    found = baseimages.unseen([given], {"image:python": known}, NOW)["image:python"]
    assert list(found.values()) == [NOW - timedelta(days=n) for n in range(21)]


def test_a_registry_that_does_not_say_the_digest_is_no_guess() -> None:
    def silent(_: ImageReference) -> str:
        raise ToolFailed("no answer")

    with pytest.raises(ToolFailed):
        due(offer(f"python:3.11.4-slim@{OLD}", "3.11.9-slim", digest=OLD), Rules(Policy(), {}, NOW, silent))
