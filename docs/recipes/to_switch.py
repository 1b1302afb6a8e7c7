"""New jobs from printIQ into an Enfocus Switch hot folder: `python to_switch.py /path/to/hot-folder`."""

import json

from consumer import Event, arguments, consume, file_name, key, write_whole


def main() -> None:
    folder, state, queue, once = arguments(__doc__, "the folder that Switch watches")

    def drop(event: Event) -> None:
        # Switch takes a file as soon as it sees it, so it must be complete when it appears
        content = json.dumps(event["data"], ensure_ascii=False, indent=1).encode()
        write_whole(folder / f"{file_name(key(event))}.json", content, by_way_of=state)
        print(f"{key(event)}: {event['data'].get('Title') or ''}")

    count = consume(queue, "CreateJobXml", drop, state, once=once)
    print(f"Jobs handed to Switch: {count}")


if __name__ == "__main__":
    main()
