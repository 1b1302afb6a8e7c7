"""New jobs from printIQ into an Enfocus Switch hot folder: `python to_switch.py /path/to/hot-folder`."""

import json
import re

from consumer import Event, asked, consume


def main() -> None:
    folder, queue, once = asked(__doc__, "the folder that Switch watches")

    def drop(event: Event) -> None:
        job = event.get("subject") or event["id"]  # a job without a number has none
        name = re.sub(r"[^\w.-]", "_", job)
        # Switch takes a file as soon as it sees it: so it appears under its name when it is whole
        part = folder / f".{name}.part"
        part.write_text(json.dumps(event["data"], ensure_ascii=False, indent=1), encoding="utf-8")
        part.replace(folder / f"{name}.json")
        print(f"{job}: {event['data'].get('Title') or ''}")

    count = consume(queue, "CreateJobXml", drop, folder / ".handled.sqlite", once=once)
    print(f"Jobs handed to Switch: {count}")


if __name__ == "__main__":
    main()
