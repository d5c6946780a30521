"""The measurement of refused sign-ins runs: with what services are made of today."""

from bench.sign_in import times


async def test_each_pair_is_two_refusals(database_url: str) -> None:
    """Issue 4: unknown user against wrong password; one pair and nothing said of its figures."""
    found = await times(database_url, pairs=1)
    assert [1, 1] == [len(found.wrong_ms), len(found.unknown_ms)]
    (ratio,) = found.ratios
    assert found.wrong_ms[0] / found.unknown_ms[0] == ratio
