"""``python -m trimatte``: the command line."""

import sys

from trimatte.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
