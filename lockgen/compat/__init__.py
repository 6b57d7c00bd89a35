"""The compatibility matrix. `lockgen compat`."""
