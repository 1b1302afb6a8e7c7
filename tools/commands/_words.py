"""Counts, as commands print them."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 finding` or `2,000 findings`; `many` is the plural, by default with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def deliveries(number: int) -> str:
    return counted(number, "delivery", "deliveries")
