"""`lockgen check`: verify that generated files are up to date."""
