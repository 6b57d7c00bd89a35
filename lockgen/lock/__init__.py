"""From a manifest to a lock: requests, the engine, the dependency graph, and lock.json."""
