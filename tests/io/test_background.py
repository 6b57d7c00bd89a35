"""Work in the background: begun at once, or when a resolver runs."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from lockgen.io.background import begin_when_waiting, now_waiting
from lockgen.io.process import run


def test_work_is_done_while_a_resolver_runs(tmp_path: Path) -> None:
    """The process ends only after the work is done, so the work is done while it runs."""
    done = tmp_path / "done"
    begin_when_waiting(done.touch)
    assert not done.exists()
    wait = f"import os, time\nwhile not os.path.exists({str(done)!r}): time.sleep(0.01)"
    assert run([sys.executable, "-c", wait], cwd=tmp_path, timeout=60, started=now_waiting).code == 0


def test_work_begins_once(tmp_path: Path) -> None:
    begun = threading.Semaphore(0)
    begin_when_waiting(begun.release)
    now_waiting()
    now_waiting()
    assert begun.acquire(timeout=60)
    assert not begun.acquire(timeout=0.2)
