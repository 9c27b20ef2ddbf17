"""Harmonisation of features across centres, from a summary of each centre."""
