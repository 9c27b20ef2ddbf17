"""Response models, baselines, tumour growth and radiobiology."""
