"""How masks and forecasts hold at each centre."""
