"""`lockgen update`: pull requests for updates."""
