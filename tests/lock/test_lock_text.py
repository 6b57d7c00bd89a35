"""The text of a lock: it round-trips, and the digest reveals any changed byte."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.budget import examples
from support.generated import Family, Universe, families, resolve, universes

from lockgen.errors import NoResolution
from lockgen.lock.reader import is_intact, parse_lock
from lockgen.lock.writer import render_lock

few = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(universes().flatmap(lambda u: st.tuples(st.just(u), families(u))), st.data())
def test_a_lock_round_trips_and_any_other_byte_is_noticed(drawn: tuple[Universe, Family], data: st.DataObject) -> None:
    universe, family = drawn
    try:
        text = resolve(universe, family.toml())["locks/lock.json"]
    except NoResolution:
        assume(False)
        raise
    assert render_lock(parse_lock(text, "lock")).encode() == text
    assert is_intact(text)
    assert json.loads(text)["format"] == 1
    at = data.draw(st.integers(0, len(text) - 1))
    assert not is_intact(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
