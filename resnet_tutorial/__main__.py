"""`python -m resnet_tutorial` is the command `resnet-tutorial`."""

import sys

from resnet_tutorial.cli import main

if __name__ == "__main__":
    sys.exit(main())
