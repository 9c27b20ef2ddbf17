"""Sources of streams: synthetic concepts, tables, and simulated MRI."""
