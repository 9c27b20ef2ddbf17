"""Simulated hospitals with known truth, written as DICOM."""
