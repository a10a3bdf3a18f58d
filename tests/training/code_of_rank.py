"""A program for torchrun: the command line, whose exit code each rank writes into the working directory."""

import os
import sys
from pathlib import Path

from resunit.__main__ import main

if __name__ == "__main__":
    code = main()
    Path(f"rank{os.environ['RANK']}-{os.environ['TORCHELASTIC_RESTART_COUNT']}.code").write_text(str(code))
    sys.exit(code)
