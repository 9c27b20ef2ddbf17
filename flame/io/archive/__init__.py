"""The network side of a DICOM archive: images that are sent here, and images that are fetched."""
