"""New jobs from printIQ into an Enfocus Switch hot folder: `python to_switch.py /path/to/hot-folder`."""

import argparse
import json
import re
from pathlib import Path

from consumer import Event, consume


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder that Switch watches")
    parser.add_argument("--queue", default="printiq-events")
    parser.add_argument("--once", action="store_true", help="end when the queue is empty")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)

    def drop(event: Event) -> None:
        job = event.get("subject") or event["id"]  # a job without a number has none
        name = re.sub(r"[^\w.-]", "_", job)
        # Switch takes a file as soon as it sees it: so it appears under its name when it is whole
        part = folder / f".{name}.part"
        part.write_text(json.dumps(event["data"], ensure_ascii=False, indent=1), encoding="utf-8")
        part.replace(folder / f"{name}.json")
        print(f"{job}: {event['data'].get('Title') or ''}")

    count = consume(arguments.queue, "CreateJobXml", drop, folder / ".handled.sqlite", once=arguments.once)
    print(f"Jobs handed to Switch: {count}")


if __name__ == "__main__":
    main()
