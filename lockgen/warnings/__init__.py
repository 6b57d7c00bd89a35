"""Warnings: input that works, but that probably is not meant. `resolve` and `check` print them."""
