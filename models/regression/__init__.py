"""Exact regressions, survival curves and discrimination, from sums over patients."""
