"""Learning peer to peer: who hears whom, and how models of neighbours become one."""
