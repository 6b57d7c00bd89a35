"""`lockgen diff`: the differences between two locks."""
