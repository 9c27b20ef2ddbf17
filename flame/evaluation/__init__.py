"""How models hold: metrics, predictions out of sample, generalisation over centres, pages."""
