"""What depends on the names of an object's members alone, remembered: objects of the same names recur."""

from collections.abc import Callable, Iterable

# The bounds keep names that a sender invents from filling the memory.
_MAX_KEPT = 50
_LONGEST_KEPT = 2_000


class ByNames[T]:
    """A function of an object's names, in their order, that remembers its results."""

    def __init__(self, compute: Callable[[tuple[str, ...]], T]) -> None:
        self._compute = compute
        self._results: dict[tuple[str, ...], T] = {}

    def __call__(self, members: Iterable[str]) -> T:
        names = tuple(members)
        try:
            return self._results[names]
        except KeyError:
            result = self._compute(names)
        if sum(map(len, names)) <= _LONGEST_KEPT:
            if len(self._results) >= _MAX_KEPT:
                self._results.clear()
            self._results[names] = result
        return result
