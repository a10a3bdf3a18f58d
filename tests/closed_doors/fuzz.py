"""Give readers bytes that a coverage-guided fuzzer makes: python -m tests.closed_doors.fuzz READER SECONDS

It needs `pip install atheris`, which is no dependency. READER is weights, network, records, recipe or foreign. It ends
with an error, and keeps the bytes in the current folder, if a reader raises another error than resunit's own, names
no file, takes 20 s or needs 4 GiB.
"""

import json
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import atheris  # pyright: ignore

with atheris.instrument_imports(include=["resunit", "json", "safetensors"]):  # pyright: ignore
    from resunit.errors import ResunitError
    from resunit.interop.foreign_file import read_foreign
    from resunit.models.registry import network_spec
    from resunit.models.weights import KIND, read_weights, spec_to_json
    from resunit.runs.record_files import read_all
    from resunit.runs.schema import LogLine, PropagationLine, RunResult
    from resunit.training.recipe import read_recipe

RUN = Path(__file__).parents[1] / "data" / "format1" / "done"
DATA = bytes(64)
NO_HEADER = 255  # A file that begins with this byte is not given the length of its header.


def header_of(network: Any) -> bytes:
    """Return the header of a weights file with this network."""
    record = {
        "format": 2,
        "resunit": "0",
        "network": network,
        "classes": [],
        "preprocessing": {},
        "result": {},
    }
    tensors = {"w": {"dtype": "F32", "shape": [16], "data_offsets": [0, len(DATA)]}}
    return json.dumps({"__metadata__": {KIND: json.dumps(record)}, **tensors}).encode()


def give(reader: Callable[[Path], object], content: bytes, name: str) -> None:
    path = FOLDER / name
    path.write_bytes(content)
    try:
        reader(path)
    except ResunitError as error:
        message = str(error)
        assert str(path) in message, message
        assert "\n" not in message, message


def weights(content: bytes) -> None:
    """Read the bytes as a header."""
    whole = struct.pack("<Q", len(content)) + content + DATA
    for reader in (read_weights, read_foreign):
        give(reader, content[1:] if content[:1] == bytes([NO_HEADER]) else whole, "weights.safetensors")


def network(content: bytes) -> None:
    """Build the network that the bytes describe as JSON."""
    try:
        header = header_of(json.loads(content))
    except (ValueError, RecursionError):
        return
    whole = struct.pack("<Q", len(header)) + header + DATA
    give(lambda path: read_weights(path).build(), whole, "weights.safetensors")


def records(content: bytes) -> None:
    for kind in (LogLine, PropagationLine, RunResult):
        give(lambda path, kind=kind: read_all(kind, path), content, "log.jsonl")


def recipe(content: bytes) -> None:
    give(read_recipe, content, "recipe.json")


def foreign(content: bytes) -> None:
    give(read_foreign, content, "weights.pth")


SPEC = spec_to_json(network_spec("preresnet20"))
READERS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "weights": (weights, [header_of(SPEC)]),
    "network": (network, [json.dumps(SPEC).encode()]),
    "records": (records, [(RUN / name).read_bytes()[:3000] for name in ("log.jsonl", "propagation.jsonl")]),
    "recipe": (recipe, [(RUN / "recipe.json").read_bytes()]),
    "foreign": (foreign, [b"PK\x03\x04", b'{"weightsManifest": []}', b"\x80\x02"]),
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    read, seeds = READERS[sys.argv[1]]
    with TemporaryDirectory() as folder, TemporaryDirectory() as corpus:
        FOLDER = Path(folder)
        for number, seed in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [f"-max_total_time={sys.argv[2]}", "-max_len=4096", "-timeout=20", "-rss_limit_mb=4096"]
        atheris.Setup([sys.argv[0], *limits, corpus], read)
        atheris.Fuzz()
