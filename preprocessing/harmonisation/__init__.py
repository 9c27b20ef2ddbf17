"""Harmonisation of centres from summaries of each."""
