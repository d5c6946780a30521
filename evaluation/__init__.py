"""Questions in plain language, played from cassettes over a real database, and judged."""
