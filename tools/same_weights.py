"""`python -m tools.same_weights A B`: whether two weights files hold bitwise the same tensors, whatever their names.

It proves that a change of the code changed no number: both files are from the same run, trained before and after.
"""

import hashlib
import sys
from collections import Counter
from pathlib import Path

from safetensors.torch import load_file


def count_tensors(path: Path) -> Counter[str]:
    """Return how often each tensor stands in a weights file: SHA-256 of type, shape and bytes."""
    return Counter(
        hashlib.sha256(
            f"{tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.contiguous().numpy().tobytes()
        ).hexdigest()
        for tensor in load_file(path).values()
    )


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    first, second = (count_tensors(Path(path)) for path in sys.argv[1:3])
    print(f"{(first & second).total()} of {max(first.total(), second.total())} tensors are the same")
    return 0 if first == second else 1


if __name__ == "__main__":
    sys.exit(main())
