"""Reads DICOM folders: series, geometry, MRI sequences, pixels and radiotherapy objects."""
