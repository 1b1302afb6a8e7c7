"""What goes wrong during the soak: instances end, storage is away, slow, or answers badly."""

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

from aiohttp import web
from faulty import Fault, FaultyStorage

from tools.host.azurite import Azurite
from tools.host.faults import StorageLostError
from tools.host.testing import HostProcess, wait_until

ROOT = Path(__file__).parents[2]


class Instances:
    """The hosts of the app: each is started again when a storage fault has ended it, as the platform does."""

    def __init__(self, count: int, folder: Path, settings: dict[str, str], problems: list[str]) -> None:
        self._folder = folder
        self._settings = settings
        self._problems = problems
        self._turns = [asyncio.Lock() for _ in range(count)]
        self._hosts: list[HostProcess] = []

    async def start(self) -> None:
        for _ in self._turns:
            self._hosts.append(await asyncio.to_thread(self._start))

    def stop(self) -> None:
        for host in self._hosts:
            host.stop()

    def url(self, number: int) -> str:
        return self._hosts[number % len(self._hosts)].url

    def running(self) -> list[HostProcess]:
        return list(self._hosts)

    async def kill(self, number: int) -> None:
        number %= len(self._hosts)
        async with self._turns[number]:
            await asyncio.to_thread(self._hosts[number].kill)
            self._hosts[number] = await asyncio.to_thread(self._start)

    async def keep(self) -> None:
        """Start again what has ended."""
        while True:
            await asyncio.sleep(0.2)
            for number, turn in enumerate(self._turns):
                async with turn:
                    code = self._hosts[number].process.poll()
                    if code is None:
                        continue
                    if code != StorageLostError.exit_code:
                        self._problems.append(
                            f"an instance ended with {code}: {self._hosts[number].log()[-2000:]}"
                        )
                    self._hosts[number] = await asyncio.to_thread(self._start)

    def _start(self) -> HostProcess:
        # in one folder they share the state: one of them runs the timers and looks for files
        return HostProcess.start(
            ROOT, self._folder, "--lease=20", "--stop-on-storage-faults", settings=self._settings
        )


class Harm:
    """The kinds of harm, one after the other."""

    def __init__(
        self, draw: random.Random, instances: Instances, azurite: Azurite, faulty: FaultyStorage
    ) -> None:
        self._random = draw
        self._instances = instances
        self._azurite = azurite
        self._faulty = faulty
        self.kinds = {
            "instance killed": self._kill,
            "storage frozen": self._freeze,
            "storage restarted": self._restart_storage,
            "calls refused": self._refuse,
            "answers lost": self._lose_answers,
            "storage slow": self._slow_down,
            "storage away": self._go_away,
        }

    async def _kill(self) -> None:
        await self._instances.kill(self._random.getrandbits(8))

    async def _freeze(self) -> None:
        await self._storage_has_started()
        pid = self._azurite.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._random.uniform(0.5, 4))
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _restart_storage(self) -> None:
        await self._storage_has_started()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._azurite.pid, signal.SIGTERM)
        await asyncio.sleep(3)

    async def _storage_has_started(self) -> None:
        """Wait for an Azurite that can be sent signals: before, it would end without saving what it took."""
        await asyncio.to_thread(wait_until, self._azurite.answers)
        await asyncio.sleep(1)

    async def _refuse(self) -> None:
        def fault(_: web.Request) -> web.Response | None:
            refused = self._random.random() < 0.3
            return web.Response(status=503, headers={"x-ms-error-code": "ServerBusy"}) if refused else None

        await self._with_fault(fault)

    async def _lose_answers(self) -> None:
        def fault(_: web.Request) -> None:
            self._faulty.cut = self._random.random() < 0.2

        await self._with_fault(fault)

    async def _slow_down(self) -> None:
        """Slow storage down, by milliseconds or by more than a duplicate waits."""
        self._faulty.delay = self._random.choice([0.015, 0.1, 0.5, 2.5])
        try:
            await asyncio.sleep(self._random.uniform(3, 8))
        finally:
            self._faulty.delay = 0

    async def _go_away(self) -> None:
        """Make storage unreachable for longer than the hosts survive: the genuine one ends after 27 s."""
        ended = self._instances.running()

        def fault(request: web.Request) -> web.Response:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

        self._faulty.fault = fault
        try:
            await asyncio.to_thread(
                wait_until, lambda: all(host.process.poll() is not None for host in ended)
            )
        finally:
            self._faulty.fault = None

    async def _with_fault(self, fault: Fault) -> None:
        self._faulty.fault = fault
        try:
            await asyncio.sleep(self._random.uniform(1, 4))
        finally:
            self._faulty.fault, self._faulty.cut = None, False
