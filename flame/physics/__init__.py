"""Physics that models and the simulator share: radiobiology, and the growth of cell densities."""
