"""Learning from streams whose concepts drift, alone, at a server or peer to peer."""
