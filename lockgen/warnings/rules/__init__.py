"""The rules for warnings, one in each module."""
