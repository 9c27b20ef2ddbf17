"""Tumour masks."""
