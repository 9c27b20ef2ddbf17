"""Bytes to core types and back: DICOM, BIDS derivatives, tables."""
