"""Radiotherapy of a day: what belongs to it, and its way onto the grid of the images."""
