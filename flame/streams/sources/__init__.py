"""Where streams come from: synthetic concepts, tables, simulated MRI."""
