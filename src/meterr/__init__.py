"""meterr: the LLM gateway you can audit."""

__version__ = "0.1.0"
