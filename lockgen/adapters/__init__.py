"""The edges: one outside thing per file."""
