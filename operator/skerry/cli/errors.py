"""What a user can mend."""


class CommandError(Exception):
    """A wrong document or command: one clear sentence or a few. Exit code 3."""
