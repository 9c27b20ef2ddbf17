"""Metrics with intervals, per-centre generalisation and reports."""
