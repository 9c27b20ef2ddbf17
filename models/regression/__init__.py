"""Exact regressions, survival curves and discrimination."""
