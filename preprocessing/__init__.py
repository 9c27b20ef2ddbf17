"""Preprocessing: image stages, quality checks, the cohort of a centre, and harmonisation."""
