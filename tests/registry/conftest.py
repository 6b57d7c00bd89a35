"""Every test here has its own caches, no credentials of the user, and no proxy."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _isolated(own_caches: None) -> None:
    """See `own_caches`."""
