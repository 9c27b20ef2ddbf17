"""Evaluates tumour masks and tumour forecasts at each centre."""
