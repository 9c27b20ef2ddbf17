"""Segmentation of the tumour on MRI by a 3-D U-Net."""
