"""The worlds, where experiments happen: unaware of each other, each a driver and handlers."""
