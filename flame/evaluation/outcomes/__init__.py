"""How predictions of response and survival hold at each centre."""
