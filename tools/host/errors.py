"""Errors that keep the host from starting, each in a line that the reader can act on."""


class HostError(Exception):
    """A mistake, its place, and what to do about it; the command ends with exit code 2."""

    exit_code = 2


class PortTakenError(HostError):
    """A port that another program listens on, and the option that chooses another one."""

    def __init__(self, port: int, option: str) -> None:
        super().__init__(
            f"Port {port} is taken, perhaps by another dev.py run. "
            f"End that, or choose another port with {option}."
        )
