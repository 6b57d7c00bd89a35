"""Moving pins on purpose. `lockgen outdated` and `lockgen bump`."""
