"""Looking a key up: by all of it, so keys that begin alike are never taken for each other."""

from meterr.identity import Environment
from support.identity import House

SHOWN = len("sk-meterr_live_") + 1


async def test_each_of_200_keys_is_found_as_itself(database_url: str) -> None:
    """S1:142, S1:151-155: by the first 16 characters there, so 184 of 200 keys were refused."""
    async with House.open(database_url) as house:
        keys = [await house.key(name=f"k{number}") for number in range(200)]
        keys += [await house.key(environment=Environment.TEST)]
        assert 63 >= len({key.secret.reveal()[:SHOWN] for key in keys})
        async with house.process() as process:
            for key in keys:
                cold = await process.authenticate(key.secret.presented)
                assert key.record.key_id == cold.key_id
            for key in keys:
                warm = process.warm(key.secret.presented)
                assert warm is not None
                assert key.record.key_id == warm.key_id
