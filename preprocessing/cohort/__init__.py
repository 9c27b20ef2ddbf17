"""The preprocessed cohort of a centre: patients, tables and features."""
