"""The newest version that passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockgen.proof.bisection import newest_passing


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_last_before_the_first_failure_is_found_with_few_tests(count: int, good: int) -> None:
    tested: list[int] = []

    def passes(version: int) -> bool:
        tested.append(version)
        return version < good

    found = newest_passing(range(count), passes)
    assert found == (min(count, good) - 1 if min(count, good) else None)
    assert len(tested) <= count.bit_length()


@given(st.lists(st.booleans(), max_size=50))
def test_the_result_was_tested_and_passed(answers: list[bool]) -> None:
    tested: dict[int, bool] = {}

    def passes(version: int) -> bool:
        tested[version] = answers[version]
        return answers[version]

    found = newest_passing(range(len(answers)), passes)
    assert found is None or tested[found]
