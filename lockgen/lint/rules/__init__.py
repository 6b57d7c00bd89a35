"""The rules of `lockgen lint`, one module each."""
