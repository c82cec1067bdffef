"""The properties that every model shares: they are about the recording, not about what clients did."""
