"""A target that lives outside of the laboratory: added by its own distribution, without touching another file."""
