"""Streams from tables with a time and a site."""
