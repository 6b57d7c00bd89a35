"""`lockgen diff`: what differs between two locks."""
