"""Which base images have updates: tags, digests, the policy, first-seen times; without a registry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lockgen.core.image_reference import ImageReference, parse_reference
from lockgen.core.update_policy import BASES_GROUP, GroupPolicy, Policy
from lockgen.errors import BadInput, ToolFailed
from lockgen.registry.model import Offer
from lockgen.update import base_image_updates as baseimages
from lockgen.update.base_image_updates import BaseImageRules, due_update

NOW = datetime(2025, 6, 1, tzinfo=UTC)
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def digest_of(reference: ImageReference) -> str:
    return {"3.11.9-slim": NEW}[reference.tag]


def rules(policy: Policy | None = None, seen: dict[str, datetime] | None = None) -> BaseImageRules:
    return BaseImageRules(policy or Policy(), {"image:python": seen or {}}, NOW, digest_of)


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
def test_the_latest_tag_is_chosen_with_a_digest_if_one_is_pinned(given: Offer, new: str | None) -> None:
    found, waiting = due_update(given, rules())
    assert (found.new if found is not None else None, waiting) == (new, [])


def test_a_candidate_gives_the_options_of_bump() -> None:
    found, _ = due_update(Offer(parse_reference("host:5000/python:3.11.4"), ("cpu", "slow"), ("3.11.9",)), rules())
    assert found is not None
    assert (found.name, found.old, found.bases) == (
        "host:5000/python",
        "3.11.4",
        ("cpu=host:5000/python:3.11.9", "slow=host:5000/python:3.11.9"),
    )


def test_an_older_tag_is_chosen_while_the_latest_cools_down() -> None:
    policy = Policy(cooldown=7)
    seen = {"3.11.8-slim": NOW - timedelta(days=8), "3.11.9-slim": NOW - timedelta(days=2)}
    found, waiting = due_update(offer("python:3.11.4-slim", "3.11.8-slim", "3.11.9-slim"), rules(policy, seen))
    assert found is not None
    assert found.new == "3.11.8-slim"
    assert [(one.version, one.why) for one in waiting] == [("3.11.9-slim", "cooldown of 7 days until 2025-06-06")]


def test_a_waiting_digest_is_shortened() -> None:
    found, waiting = due_update(offer(f"python:3.11-slim@{OLD}", digest=NEW), rules(Policy(cooldown=7)))
    assert found is None
    assert waiting[0].version == "3.11-slim@bbbbbbbbbbbb"


def test_a_group_has_its_own_steps_and_cooldown() -> None:
    group = GroupPolicy("floor", (), ("patch",), cooldown=0, images=("pyth*",))
    given = offer("python:3.11.4-slim", "3.11.9-slim", "3.12.0-slim")
    found, waiting = due_update(given, rules(Policy(groups=(group,), cooldown=90)))
    assert found is not None
    assert found.new == "3.11.9-slim"
    assert [one.why for one in waiting] == ["a minor step, but the group allows patch"]
    assert baseimages.group_of(Policy(groups=(group,)), "debian").name == BASES_GROUP


def test_the_default_group_can_be_configured() -> None:
    own = GroupPolicy(BASES_GROUP, (), ("major",))
    assert baseimages.group_of(Policy(groups=(own,)), "debian") is own


def test_first_seen_times_are_kept_and_old_tags_are_dropped() -> None:
    then = NOW - timedelta(days=3)
    seen = {"image:python": {"3.11.9-slim": then, "3.11.5-slim": then}}
    given = offer(f"python:3.11.4-slim@{OLD}", "3.11.9-slim", "3.11.10-slim", digest=NEW)
    assert baseimages.first_seen_record([given], seen, NOW) == {
        "image:python": {"3.11.9-slim": then, "3.11.10-slim": NOW, f"3.11.4-slim@{NEW}": NOW}
    }


PINNED = f"3.11-slim@{OLD}"


def at(letter: str) -> str:
    return f"3.11-slim@sha256:{letter * 64}"


def days(**ages: int) -> dict[str, datetime]:
    """First-seen times of digests, by their age in days."""
    return {at(letter): NOW - timedelta(days=age) for letter, age in ages.items()}


def has(*gone: str) -> BaseImageRules:
    """A registry that has every digest except ``gone``, and first-seen times; the cooldown of b and c is over."""

    def asked(reference: ImageReference) -> str:
        assert reference.digest is not None
        if reference.digest[-1] in gone:
            raise BadInput("the image does not exist")
        return reference.digest

    return BaseImageRules(Policy(cooldown=7), {"image:python": days(b=20, c=10, d=3, e=1)}, NOW, asked)


@pytest.mark.parametrize(
    ("gone", "new"),
    [((), at("c")), (("c",), at("b")), (("b", "c"), None)],
    ids=["latest after its cooldown", "missing", "all missing"],
)
def test_an_earlier_digest_is_chosen_while_the_current_one_cools_down(gone: tuple[str, ...], new: str | None) -> None:
    found, waiting = due_update(offer(f"python:{PINNED}", digest=at("e").partition("@")[2]), has(*gone))
    assert (found.new if found is not None else None) == new
    assert [one.version for one in waiting] == ["3.11-slim@eeeeeeeeeeee"]


def test_a_registry_failure_does_not_count_as_a_missing_digest() -> None:
    def silent(_: ImageReference) -> str:
        raise ToolFailed("no answer")

    rules = BaseImageRules(Policy(cooldown=7), {"image:python": days(b=20, c=1)}, NOW, silent)
    with pytest.raises(ToolFailed):
        due_update(offer(f"python:{PINNED}", digest=at("c").partition("@")[2]), rules)


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
    ids=["later", "pinned is known", "new", "pinned is current", "new is pinned", "set back"],
)
def test_first_seen_times_of_earlier_digests_are_kept(pinned: str, now: str, kept: str) -> None:
    seen = {"image:python": days(b=20, c=10, d=3, e=1) | {"3.11.4-slim@sha256:00": NOW, "3.11.5-slim": NOW}}
    given = offer(f"python:{at(pinned)}", digest=at(now).partition("@")[2])
    ages = {"b": 20, "c": 10, "d": 3, "e": 1, "f": 0}
    wanted = {"image:python": days(**{letter: ages[letter] for letter in kept})} if kept else {}
    assert baseimages.first_seen_record([given], seen, NOW) == wanted


def test_the_record_of_a_tag_that_is_rebuilt_daily_is_limited() -> None:
    known = {f"3.11-slim@sha256:{n:064}": NOW - timedelta(days=n) for n in range(1, 100)}
    given = offer(f"python:{PINNED}", digest=NEW)
    found = baseimages.first_seen_record([given], {"image:python": known}, NOW)["image:python"]
    assert list(found.values()) == [NOW - timedelta(days=n) for n in range(21)]


def test_a_missing_digest_is_an_error() -> None:
    def silent(_: ImageReference) -> str:
        raise ToolFailed("no answer")

    with pytest.raises(ToolFailed):
        due_update(
            offer(f"python:3.11.4-slim@{OLD}", "3.11.9-slim", digest=OLD), BaseImageRules(Policy(), {}, NOW, silent)
        )
