"""What the name of a dropped file says."""

import pytest

from handlers.channels.names import event_of, flaw_of, is_ignored, printable


@pytest.mark.parametrize(
    "path",
    [
        "CreateJob/a.tmp",
        "CreateJob/a.json.TMP",
        "CreateJob/a.part",
        "CreateJob/a.xml.filepart",
        "CreateJob/a.partial",
        "CreateJob/~a.json",
        "CreateJob/~$a.json",
        "CreateJob/a.json~",
        "CreateJob/.a.json",
        "CreateJob/.in.a.json.",
        "a.tmp",
        "CreateJob/line\nbreak.tmp",
        "CreateJob/Thumbs.db",
        "CreateJob/desktop.INI",
        "CreateJob/.DS_Store",
        "CreateJob/._a.json",
    ],
)
def test_a_temporary_file_and_one_of_the_systems_is_ignored(path: str) -> None:
    assert is_ignored(path)


@pytest.mark.parametrize(
    "path",
    [
        "CreateJob/a.json",
        "CreateJob/a",
        ".hidden/a.json",
        "a.tmp/b.json",
        "CreateJob/part",
        "a~b.json",
        "tmp",
        "CreateJob/my thumbs.db.json",
    ],
)
def test_another_name_is_not(path: str) -> None:
    assert not is_ignored(path)


@pytest.mark.parametrize(
    ("path", "event"),
    [
        ("CreateJob/a.json", "CreateJob"),
        ("/CreateJob/a.json", "CreateJob"),
        ("printiq/uat/createjob/2026/a.json", "createjob"),
        ("CreateJob/ExportInvoice/a.json", "CreateJob"),
        ("printiq/CreateJobb/a.json", "printiq"),
        ("a.json", ""),
        ("/a.json", ""),
        ("CreateJob", ""),
    ],
)
def test_the_first_folder_that_names_an_event_decides(path: str, event: str) -> None:
    assert event_of(path) == event


@pytest.mark.parametrize(
    ("path", "flaw"),
    [
        ("CreateQuote/../../archive/x.json", "dot segment"),
        ("CreateQuote/./x.json", "dot segment"),
        ("..", "dot segment"),
        ("CreateQuote//x.json", "empty segment"),
        ("//CreateQuote/x.json", "empty segment"),
        ("CreateQuote/a\x1b[2Jb.json", r"control character (\x1b)"),
        ("CreateQuote/a\x85b.json", r"control character (\x85)"),
    ],
)
def test_a_name_that_may_lead_elsewhere_has_a_flaw(path: str, flaw: str) -> None:
    assert flaw in (flaw_of(path) or "")


@pytest.mark.parametrize(
    "path", ["CreateQuote/...json", "/CreateQuote/a..b.json", "CreateQuote/.../x", "🖨️/Ä.json"]
)
def test_other_names_have_none(path: str) -> None:
    assert flaw_of(path) is None


def test_a_control_character_does_not_reach_a_log() -> None:
    assert printable("a\x1b[2J\nb é") == r"a\x1b[2J\x0ab é"
