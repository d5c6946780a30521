"""``./dev demo``: from an empty folder to a proven ledger, with only the provider simulated."""
