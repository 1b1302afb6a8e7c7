"""Run a function app alone, without Azurite: `python -m tools.host --app DIR --port N`."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.host.errors import HostError
from tools.host.host import Listening, Options, run


def main() -> int:
    """Read the command line and run until SIGINT or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.host", description=__doc__)
    parser.add_argument(
        "--app", type=Path, default=Path(), help="folder with host.json and function_app.py (default: here)"
    )
    parser.add_argument("--port", type=int, default=7071, help="port for HTTP (default: 7071)")
    parser.add_argument(
        "--state", type=Path, default=Path(".local/data/host"), help="folder for the host's own files"
    )
    parser.add_argument("--keys", action="store_true", help="ask callers of HTTP functions for a key")
    parser.add_argument(
        "--lease",
        type=float,
        default=600,
        help="seconds that a taken queue message stays invisible (default: 600)",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=10,
        help="seconds that running invocations have left after a stop (default: 10)",
    )
    parser.add_argument(
        "--stop-on-storage-faults",
        action="store_true",
        help="end with code 3, as the platform's host does, where storage fails for 27 s or refuses access",
    )
    parser.add_argument("--ready-file", type=Path, help="file to write, as JSON, once everything listens")
    configure_logging()
    try:
        asyncio.run(serve(Options(**vars(parser.parse_args()))))
    except HostError as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    return 0


async def serve(options: Options) -> None:
    """Run an app until a signal asks to stop, and print a line once it listens."""
    with stop_on_signals() as stop:
        await run(options, stop, _print_ready)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """Yield an event that the first SIGINT or SIGTERM sets; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, _frame: object) -> None:
        signal.signal(number, kept[signal.Signals(number)])
        loop.call_soon_threadsafe(stop.set)

    # Not loop.add_signal_handler, which Windows lacks.
    for number in kept:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def configure_logging() -> None:
    """Write one line per record to standard output: time, level, who, what."""
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stdout,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    # The worker logs a line or two of its own for each invocation, the SDKs one for each request.
    for name in ("azure", "asyncio", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _print_ready(listening: Listening) -> None:
    for route in listening.routes:
        print(f"  {route}")
    for trigger in listening.triggers:
        print(f"  {trigger}")
    print(f"listening on {listening.url}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
