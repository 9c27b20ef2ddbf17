"""Tumour evolution: forecasts of volume and shape under radiotherapy."""
