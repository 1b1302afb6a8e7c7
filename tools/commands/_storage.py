"""The app's storage, for commands that work on it themselves: the local one, or what the settings name."""

import asyncio
import os
from collections.abc import Awaitable, Callable

from handlers.app import App
from handlers.settings import Settings
from tools.host.azurite import connection_string


def with_app[T](work: Callable[[App], Awaitable[T]], storage_port: int) -> T:
    """Run `work` on the storage that AzureWebJobsStorage names; without that setting on the local Azurite."""

    async def running() -> T:
        app = App.start(_settings(storage_port))
        try:
            return await work(app)
        finally:
            await app.close()

    return asyncio.run(running())


def _settings(storage_port: int) -> Settings:
    if any(name.upper().startswith("AZUREWEBJOBSSTORAGE") for name in os.environ):
        return Settings.model_validate({})
    local = connection_string(storage_port)
    return Settings.model_validate({"AzureWebJobsStorage": local, "HOT_FOLDER": local})
