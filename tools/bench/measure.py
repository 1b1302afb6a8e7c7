"""Measures contenders in turns, so that other load on the machine affects all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_ROUNDS = 30
# A sample is the best of some bursts: a neighbour on the same processor slows a burst, nothing speeds one up.
_BURSTS = 8
_BURST_SECONDS = 0.001


@dataclass(frozen=True)
class Series:
    """The samples of one contender, one from each round, in `unit`."""

    name: str
    unit: str
    samples: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a part of the median."""
        low, _, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / 2 / self.median if self.median else 0.0


@dataclass(frozen=True)
class Aim:
    """The target of a ratio: at most `bound`, or at least."""

    bound: float
    at_least: bool = False

    def is_met(self, ratio: float) -> bool:
        # as it is shown: with two digits
        return round(ratio, 2) >= self.bound if self.at_least else round(ratio, 2) <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True)
class Comparison:
    """Ours beside one peer, round by round; with `aim` None it is only shown."""

    peer: Series
    aim: Aim | None = None


@dataclass(frozen=True)
class Figure:
    """One measured figure: ours, and its peers."""

    title: str
    ours: Series
    against: Sequence[Comparison] = ()
    note: str = ""

    def ratio(self, comparison: Comparison) -> float:
        """Return the median over the rounds of ours divided by the peer's."""
        pairs = zip(self.ours.samples, comparison.peer.samples, strict=True)
        return statistics.median(ours / peer for ours, peer in pairs)


def cpu_times(contenders: Mapping[str, Callable[[], object]], rounds: int = _ROUNDS) -> dict[str, Series]:
    """Measure the processor time of one call of each contender, in microseconds, in turns."""
    calls = {name: _calls(contender) for name, contender in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            samples[name].append(min(_burst(contender, calls[name]) for _ in range(_BURSTS)))
    return {name: Series(name, "µs", values) for name, values in samples.items()}


def _burst(contender: Callable[[], object], calls: int) -> float:
    """Return the microseconds of processor time that a call takes."""
    started = time.process_time()
    for _ in range(calls):
        contender()
    return (time.process_time() - started) / calls * 1e6


def _calls(contender: Callable[[], object]) -> int:
    """Find how many calls make a sample that is long beside the clock's own steps; warm up by it."""
    calls = 1
    while True:
        took = _burst(contender, calls) * calls / 1e6
        if took > _BURST_SECONDS / 2:
            return max(1, round(calls * _BURST_SECONDS / took))
        calls *= 2
