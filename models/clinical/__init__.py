"""Clinical criteria: response assessment (RANO) and radiobiology."""
