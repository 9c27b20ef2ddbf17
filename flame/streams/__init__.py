"""Learning on streams whose distribution drifts, in a centre's federation or peer to peer."""
