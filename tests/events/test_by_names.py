"""What depends on an object's names alone is found once for objects of the same names."""

from events.names import ByNames


def test_objects_of_the_same_names_are_looked_at_once() -> None:
    asked: list[tuple[str, ...]] = []

    def count(names: tuple[str, ...]) -> int:
        asked.append(names)
        return len(names)

    found = ByNames(count)
    assert [found({"JobNo": value, "Status": value}) for value in (1, 2, 3)] == [2, 2, 2]
    assert found(["Status", "JobNo"]) == 2
    assert asked == [("JobNo", "Status"), ("Status", "JobNo")]


def test_invented_names_do_not_fill_the_memory() -> None:
    found = ByNames(len)
    for number in range(1_000):
        assert found([f"Odd{number}"]) == 1
        assert found([f"{number}{'x' * 3_000}"]) == 1
    assert len(found._results) <= 50
    assert sum(len(name) for names in found._results for name in names) <= 50 * 2_000
