"""Simulated hospitals with a known ground truth, written as DICOM."""
