"""One verb, one file, run(...) -> int."""
