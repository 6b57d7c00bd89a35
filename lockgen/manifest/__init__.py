"""versions.toml: its schema, reader, editor, and the fingerprints of what a lock is made from."""
