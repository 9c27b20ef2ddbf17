"""DICOM folders: series, geometry, sequences, pixels, radiotherapy objects."""
