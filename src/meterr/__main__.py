"""``python -m meterr`` is the same program as ``meterr``."""

from meterr.cli import main

if __name__ == "__main__":
    main()
