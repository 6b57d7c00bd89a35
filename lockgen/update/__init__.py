"""Pull requests for available updates: `lockgen update`."""
