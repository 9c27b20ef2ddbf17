"""Reads and writes files: DICOM, NIfTI, BIDS derivatives, tables and public data sets."""
