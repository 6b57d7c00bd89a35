"""Values that several features share, and pure helpers. Reads and writes nothing."""
