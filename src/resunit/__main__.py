"""`python -m resunit`, which torchrun starts."""

import sys

from resunit.cli import main

sys.exit(main())
