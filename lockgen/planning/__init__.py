"""Model to plan: requests, closures, layers, changes. Pure."""
