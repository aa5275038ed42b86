"""`python -m limen`: the same as the `limen` command."""

import sys

from limen.control.cli import main

if __name__ == "__main__":
    sys.exit(main())
