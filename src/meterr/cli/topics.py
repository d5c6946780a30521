"""``meterr help``: pages that belong to no single command."""

import click

_TOPICS = {
    "exit-codes": """\
0    done
1    failed
2    wrong command line or configuration
3    a check ran and found something (verify, doctor, reconcile, ledger export)
4    the question can mean several things: ask again with --clarified (ask)
130  interrupted""",
    "environment": """\
METERR_CONFIG    configuration file [meterr.toml]
METERR_<NAME>    any setting; '__' stands for the dot: METERR_SERVER__PORT=9000
METERR_<NAME>_FILE  a secret setting, read from a file: METERR_DATABASE_URL_FILE
OPENAI_API_KEY, ANTHROPIC_API_KEY, KIMI_API_KEY, MOONSHOT_API_KEY  provider credentials

'meterr config show --explain' says which source won.""",
}


@click.command("help")
@click.argument("topic", type=click.Choice(list(_TOPICS)))
def command(topic: str) -> None:
    """Explain TOPIC."""
    click.echo(_TOPICS[topic])
