"""Ready-to-paste lines for the first call, in curl, Python and Node. Pure."""

_KEY_PLACE = "<your key>"

_TEXT = """
meterr is ready at {base_url}
{key_lines}
curl:
  curl {base_url}/v1/chat/completions \\
    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
    -d '{{"model":"{model}","messages":[{{"role":"user","content":"Hello"}}]}}'

Python (pip install openai):
  from openai import OpenAI
  client = OpenAI(base_url="{base_url}/v1", api_key="{key}")
  print(client.chat.completions.create(
      model="{model}", messages=[{{"role": "user", "content": "Hello"}}]))

Node (npm install openai):
  import OpenAI from "openai";
  const client = new OpenAI({{ baseURL: "{base_url}/v1", apiKey: "{key}" }});
  console.log(await client.chat.completions.create({{
    model: "{model}", messages: [{{ role: "user", content: "Hello" }}] }}));

Anthropic's SDKs: base_url="{base_url}", api_key the same; model "claude-sonnet-5".

What it cost:   meterr usage --by model{options}
Questions:      meterr ask {question}{options}
Live calls:     meterr logs -f{options}
Another key:    meterr key create --name NAME{options}
Stop:           Ctrl+C here
"""

_NEW_KEY = """
Your first key. It is shown once and stored only as a digest:

  {key}
"""

_SIMULATED = """
No provider is configured, so a simulated one answers, offline and for free; the ledger prices
it like the real one. For real calls set OPENAI_API_KEY, ANTHROPIC_API_KEY or KIMI_API_KEY and
start again.
"""


_IN_WORDS = '"Cost by model"'
_IN_SQL = '--sql "select model, sum(cost_usd) from calls group by 1"'
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - translated, not bound


def base_url(host: str, port: int) -> str:
    """Return the URL that a client on this machine reaches ``host`` and ``port`` by."""
    host = _EVERY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def snippets(
    url: str,
    key: str,
    *,
    simulated: bool,
    speaks: bool = False,
    options: str = "",
    model: str = "gpt-5.4",
) -> str:
    """
    Return the text.

    Args:
        url: Where the gateway answers, without a path.
        key: Empty when keys exist already and none can be shown.
        simulated: Whether the simulator answers.
        speaks: Whether questions can be asked in plain language.
        options: What other commands need to find this meterr, e.g. ``--data-dir DIR``.
        model: A model that is served.
    """
    lines = _NEW_KEY.format(key=key) if key else "\nUse a key you have, or make one (below).\n"
    return _TEXT.format(
        base_url=url,
        key=key or _KEY_PLACE,
        key_lines=lines + (_SIMULATED if simulated else ""),
        model=model,
        question=_IN_WORDS if speaks else _IN_SQL,
        options=f" {options}" if options else "",
    )
