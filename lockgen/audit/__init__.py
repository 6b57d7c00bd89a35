"""`lockgen audit`: known vulnerabilities and the smallest fix."""
