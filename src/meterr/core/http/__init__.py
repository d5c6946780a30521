"""The door: ASGI types, the server protocol with its limits, and bodies read within theirs."""
