"""The cache: whole entries or none, and failures that only cost time."""

from pathlib import Path

import pytest

from lockgen.io.cache import FileCache, NullCache, cache_root, write_entry

pytestmark = pytest.mark.usefixtures("own_caches")

KEY = "ab" + "0" * 62


def test_a_kept_answer_is_found_again() -> None:
    FileCache("answers").keep(KEY, "yes ✓")
    assert FileCache("answers").recall(KEY) == "yes ✓"
    assert FileCache("others").recall(KEY) is None


def test_an_answer_is_replaced_and_no_draft_is_left() -> None:
    cache = FileCache("answers")
    cache.keep(KEY, "old")
    cache.keep(KEY, "new")
    assert cache.recall(KEY) == "new"
    assert [path.name for path in cache_root().rglob("*") if path.is_file()] == [KEY]


def test_an_entry_that_is_not_utf_8_counts_as_missing() -> None:
    cache = FileCache("answers")
    cache.keep(KEY, "text")
    (cache_root() / "answers" / KEY[:2] / KEY).write_bytes(b"\xff")
    assert cache.recall(KEY) is None


def test_a_failed_write_is_not_reported_and_leaves_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "parent/folder"
    target.mkdir(parents=True)
    write_entry(target, "text")
    assert list(target.parent.iterdir()) == [target]


def test_text_that_cannot_be_encoded_leaves_no_draft(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_entry(tmp_path / "parent/entry", "\ud800")
    assert list((tmp_path / "parent").iterdir()) == []


def test_a_null_cache_is_always_empty() -> None:
    cache = NullCache()
    cache.keep(KEY, "text")
    assert cache.recall(KEY) is None
    assert not cache_root().exists()
