"""What the tests of the channels share: a print shop with an app on storage of its own."""

import asyncio

import pytest
from shop import Shop, Story, Tell

from handlers.app import App
from handlers.settings import Settings


@pytest.fixture
def tell(storage: str) -> Tell:
    """Return a function that runs a story in a shop of its own: `tell(story, MAX_BODY_BYTES=1000)`."""

    def run(story: Story, **settings: object) -> None:
        async def told() -> None:
            app = App.start(
                Settings.model_validate({"AzureWebJobsStorage": storage, "HOT_FOLDER": storage, **settings})
            )
            try:
                await story(Shop(app, storage))
            finally:
                await app.close()

        asyncio.run(told())

    return run
