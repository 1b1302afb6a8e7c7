"""`dev.py send` shows the outcome of an event."""

from command_line import dev
from receiver import Receiver


def test_the_outcome_of_a_soap_request_is_shown_though_its_response_names_no_id(receiver: Receiver) -> None:
    done = dev(
        "send",
        "acceptquote",
        f"--url={receiver.host.url}",
        "--file=tests/corpus/AcceptQuote/soap.xml",
        settings={"AzureWebJobsStorage": receiver.storage, "HOT_FOLDER": receiver.storage},
    )
    assert done.returncode == 0, done.stderr
    (row,) = receiver.written("timeline", subject="Q004872v1", channel="webhook")
    assert f"sent quote Q004872v1, id {row['id']}" in done.stdout
