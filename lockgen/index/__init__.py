"""Package indexes: the simple API, records, metadata, downloads and builds of source distributions."""
