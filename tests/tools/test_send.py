"""`dev.py send` shows the outcome of an event."""

import io

from command_line import dev
from receiver import Receiver
from rich.console import Console

from tools.commands import send
from tools.commands._target import Target


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


def test_the_reason_is_shown_while_an_accepted_delivery_fails() -> None:
    output = io.StringIO()
    printer = send._Details(Console(file=output), Target.of("http://127.0.0.1:9", None, 9), 1)
    sent = send.Sent("CreateQuote", "q.json", "webhook", "here", status=202)
    sent.delivery = {"id": "1", "status": "failing", "attempts": 1, "error": "Service Bus: no such queue."}
    printer.outcome(sent)
    assert "Service Bus: no such queue." in output.getvalue()
    assert "attempt 1 failed; the app tries again" in output.getvalue()
