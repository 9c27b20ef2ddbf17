"""A preprocessed centre: its patients, tables and features."""
