"""Evaluates predictions of response and survival at each centre."""
