"""Response criteria and radiobiology."""
