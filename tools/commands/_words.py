"""How commands say how many there are."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 delivery` or `2,000 deliveries`; the plural of `one` where it is not given ends in s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def deliveries(number: int) -> str:
    return counted(number, "delivery", "deliveries")
