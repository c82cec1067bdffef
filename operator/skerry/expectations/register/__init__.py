"""How expectations are judged of a store of registers: who led, term by term, and when puts were acknowledged."""
