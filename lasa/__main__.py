"""``python -m lasa`` is the lasa command."""

import sys

from lasa.cli import main

if __name__ == "__main__":
    sys.exit(main())
