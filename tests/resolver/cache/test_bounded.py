"""Tables bounded in number."""

import pytest

from resolver.cache.bounded import trim


@pytest.mark.parametrize("limit", [1, 2, 127, 128, 1000])
def test_the_oldest_go_in_batches_and_the_newest_stays(limit: int) -> None:
    table: dict[int, str] = {}
    for number in range(limit * 3):
        table[number] = ""
        trim(table, limit)
        assert len(table) <= limit
        assert number in table
        assert list(table) == sorted(table)
        assert len(table) >= min(number + 1, limit - limit // 128 - 1)


def test_a_table_within_its_bound_stays_as_it_is() -> None:
    table = dict.fromkeys(range(100), "")
    trim(table, 100)
    assert len(table) == 100
