"""Queue triggers retry, lease and give up as the platform's do."""

import base64
import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from sample import SAMPLE_APP, Sample

from tools.host.testing import StartHost, wait_until


def test_a_message_reaches_its_function_with_what_the_queue_knows_of_it(
    start_host: StartHost, storage: str
) -> None:
    sample = Sample(start_host, storage)
    sample.start()
    sample.send("<hello> & é")
    note = wait_until(lambda: sample.notes("work"))[0]
    assert (note["text"], note["tries"], len(note["id"])) == ("<hello> & é", 1, 36)
    # The platform copies the members of a message that is a JSON object over the metadata.
    sample.send('{"id": "mine", "dequeueCount": 7, "list": [1]}')
    note = wait_until(lambda: sample.notes("work")[1:])[0]
    assert (note["id"], note["tries"]) == ("mine", 7)
    wait_until(lambda: not _left(sample))


def test_a_message_that_fails_five_times_goes_to_the_poison_queue_for_seven_days(
    start_host: StartHost, storage: str
) -> None:
    """Quote: time-to-live in the poison queue "not set: the service's 7 days"."""
    sample = Sample(start_host, storage)
    host = sample.start()
    sample.send("please fail")
    (poisoned,) = wait_until(lambda: sample.notes("work_poison"))
    assert (poisoned["text"], poisoned["tries"]) == ("please fail", 1)
    days = datetime.fromisoformat(poisoned["expires"]) - datetime.fromisoformat(poisoned["inserted"])
    assert days == timedelta(days=7)
    assert [note["tries"] for note in sample.notes("work")] == [1, 2, 3, 4, 5]
    assert "ValueError: asked to fail" in host.log()
    wait_until(lambda: not _left(sample))


def test_a_poison_queues_own_trigger_never_gives_up(start_host: StartHost, storage: str) -> None:
    """Quote: "a failure sends no request … It is run again every 10 minutes for ever (seen with count 7)"."""
    sample = Sample(start_host, storage)
    sample.start("--lease=1")
    sample.send("fail for ever", queue="work-poison")
    wait_until(lambda: len(sample.notes("work_poison")) > 6)
    assert [note["tries"] for note in sample.notes("work_poison")[:7]] == [1, 2, 3, 4, 5, 6, 7]


def test_base64_may_hold_blanks_and_what_is_no_text_fails_before_the_function(
    start_host: StartHost, storage: str, tmp_path: Path
) -> None:
    """Quote: "Blanks inside base64 are accepted"; no UTF-8: "fails before the function, five times"."""
    sample = Sample(start_host, storage)
    sample.start(app=base64_app(tmp_path), settings={"AzureWebJobs.work_poison.Disabled": "true"})
    text = base64.b64encode(b"with blanks").decode()
    sample.send(f"{text[:4]} \n{text[4:]}")
    assert wait_until(lambda: sample.notes("work"))[0]["text"] == "with blanks"
    sample.send(base64.b64encode(b"\xff").decode())
    assert wait_until(lambda: sample.messages("work-poison")) == [base64.b64encode(b"\xff").decode()]
    assert len(sample.notes("work")) == 1


def test_a_time_out_ends_every_invocation_in_the_worker(start_host: StartHost, storage: str) -> None:
    """Quote: "**every** invocation in that worker fails, so each message comes back … count one higher"."""
    sample = Sample(start_host, storage)
    host = sample.start(settings={"AzureWebJobs.work_poison.Disabled": "true"})
    sample.send("sleep 60")
    wait_until(lambda: sample.notes("work"))
    sample.send("sleep 61")
    again = {"text": "sleep 61", "tries": 2}
    (second,) = wait_until(lambda: [note for note in sample.notes("work") if again.items() <= note.items()])
    timed_out = [line for line in host.log().splitlines() if "ran into functionTimeout" in line]
    assert not [line for line in timed_out if f"{second['id']} of queue work, try 1" in line]
    assert timed_out


def test_a_message_in_work_when_the_host_dies_comes_back_after_its_lease(
    start_host: StartHost, storage: str
) -> None:
    sample = Sample(start_host, storage)
    first = sample.start("--lease=3")
    sample.send("sleep 4")
    wait_until(lambda: sample.notes("work"))
    first.kill()
    sample.start("--lease=3")
    assert wait_until(lambda: sample.notes("work")[1:])[0]["tries"] == 2
    wait_until(lambda: not sample.queues.get_queue_client("work").peek_messages())


def test_a_running_function_keeps_its_lease_and_may_finish_when_the_host_is_stopped(
    start_host: StartHost, storage: str
) -> None:
    sample = Sample(start_host, storage)
    # renewed every 2 s: a busy machine may be late by as much
    host = sample.start("--lease=4")
    sample.send("sleep 4.5")
    wait_until(lambda: sample.notes("work"))
    assert host.stop() == 0
    assert "work succeeded" in host.log()
    assert len(sample.notes("work")) == 1
    assert not _left(sample)


def test_base64_is_decoded_where_host_json_says_so_and_anything_else_is_poison(
    start_host: StartHost, storage: str, tmp_path: Path
) -> None:
    sample = Sample(start_host, storage)
    sample.start(app=base64_app(tmp_path), settings={"AzureWebJobs.work_poison.Disabled": "true"})
    sample.send(base64.b64encode(b"readable").decode())
    sample.send("not base64!")
    assert wait_until(lambda: sample.notes("work"))[0]["text"] == "readable"
    assert wait_until(lambda: sample.messages("work-poison")) == ["not base64!"]


def base64_app(tmp_path: Path) -> Path:
    app = tmp_path / "app"
    shutil.copytree(SAMPLE_APP, app)
    config = json.loads((app / "host.json").read_text())
    config["extensions"]["queues"]["messageEncoding"] = "base64"
    (app / "host.json").write_text(json.dumps(config))
    return app


def _left(sample: Sample) -> int | None:
    """Count the messages in the queue, those that are invisible too."""
    return sample.queues.get_queue_client("work").get_queue_properties().approximate_message_count
