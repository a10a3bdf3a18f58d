"""Malicious files and the commands that they are given to; each would leave a sentinel file, hang or fill the memory.

Nothing here is stored: the files are written anew for each test.
"""

import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from torch._utils import _rebuild_tensor

from resunit.io.tensors import read_tensors, write_tensors
from resunit.models.weights import KIND as WEIGHTS
from resunit.runs.record_files import CHECKSUM
from resunit.training.checkpoints import KIND as CHECKPOINT
from tests.faults.small_runs import plain_run

SENTINEL = "sentinel-of-a-malicious-file"
TERMINAL = "\x1b]0;owned\x07\x1b[2J"
HTML = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
DEEP = 100_000
BOMB_BYTES = 6 << 30
"""What a bomb unpacks to: more than the memory that a command gets in the tests."""


@dataclass(frozen=True)
class Malicious:
    """A malicious file or folder and the command that gets it."""

    name: str
    write: Callable[[Path], object]
    """Writes the file, or the folder with it, at the path that it is given."""
    arguments: tuple[str, ...]
    """The command; FILE stands for the path, and OUT for a path where nothing is yet."""
    file: str = "file"
    codes: frozenset[int] = field(default=frozenset({1, 2}))
    """The exit codes that are right."""
    refused_by_name: bool = True
    """Whether the message names the file."""


class Calls:
    """An object whose pickle calls a function with arguments when it is loaded."""

    def __init__(self, function: Callable[..., Any], *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def payloads(sentinel: Path) -> dict[str, bytes]:
    """Return pickles that write the sentinel in several ways."""
    import os
    import subprocess

    write = f"open({str(sentinel)!r}, 'w').close()"
    touch = f"touch {sentinel}"
    return {
        "os.system": pickle.dumps(Calls(os.system, touch), protocol=2),
        "exec": pickle.dumps(Calls(exec, write), protocol=4),
        "eval within a state dict": pickle.dumps(
            {"state_dict": {"conv1.weight": Calls(eval, write)}}, protocol=2
        ),
        "subprocess": pickle.dumps({"w": Calls(subprocess.getoutput, touch)}, protocol=3),
        "protocol 0": f"cos\nsystem\n(S'{touch}'\ntR.".encode(),
        "rebuilt storage": pickle.dumps(
            Calls(_rebuild_tensor, Calls(eval, write), 0, (1,), (1,)),
            protocol=2,
        ),
    }


def torch_archive(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


def tar_bomb(path: Path) -> None:
    """Write zeros that gzip makes a thousand times smaller, block by block, as one member."""
    found = member("cifar-10-batches-bin/data_batch_1.bin")
    found.size = BOMB_BYTES
    squeeze, block = zlib.compressobj(1, wbits=31), bytes(1 << 24)
    with path.open("wb") as file:
        file.write(squeeze.compress(found.tobuf()))
        for _ in range(BOMB_BYTES // len(block)):
            file.write(squeeze.compress(block))
        file.write(squeeze.compress(bytes(1024)) + squeeze.flush())


def zip_bomb(path: Path, name: str) -> None:
    block = bytes(1 << 24)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as opened,
    ):
        for _ in range(BOMB_BYTES // len(block)):
            opened.write(block)


def zipped(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def header(path: Path, text: bytes, length: int | None = None, data: bytes = b"") -> None:
    """Write a safetensors file with this header, which claims to have `length` bytes."""
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def tensor_header(shape: object, offsets: object, dtype: str = "F32") -> bytes:
    return json.dumps({"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}).encode()


def run_folder(path: Path, **changed: bytes) -> None:
    """Copy a finished run and replace some of its files; __ stands for a dot in the name of a file."""
    copytree(plain_run(), path)
    for name, content in changed.items():
        (path / name.replace("__", ".")).write_bytes(content)


def edited(path: Path, name: str, **changes: Any) -> None:
    """Copy a finished run in which one record says something else, as a forger would write it."""
    run_folder(path)
    record = json.loads((path / name).read_text())
    record.pop(CHECKSUM, None)
    (path / name).write_text(json.dumps({**record, **changes}))


def forged_weights(path: Path, **changes: Any) -> None:
    """Write weights whose record says something else, with a right checksum."""
    record, tensors = read_tensors(plain_run() / "weights.safetensors", WEIGHTS)
    write_tensors(path, WEIGHTS, merged(record, changes), tensors)


def merged(record: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, **{
        name: merged(record[name], value) if isinstance(value, dict) and isinstance(record.get(name), dict) else value
        for name, value in changes.items()
    }}  # fmt: skip


def unfinished(path: Path, checkpoint: bytes) -> None:
    """Write a run that has not ended, with this file as its checkpoint."""
    run_folder(path)
    for name in ("result.json", "report.html"):
        (path / name).unlink()
    for stored in (path / "checkpoints").iterdir():
        stored.write_bytes(checkpoint)


def png(path: Path, side: int) -> None:
    """Write a PNG of `side` x `side` black pixels, whose file is a thousand times smaller."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze, row = zlib.compressobj(9), bytes(1 + (side + 7) // 8)
    rows = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    size = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def text_bomb(path: Path) -> None:
    """Write a small PNG with a compressed text of a gigabyte."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    plain = buffer.getvalue()
    squeeze = zlib.compressobj(9)
    text = b"".join(squeeze.compress(bytes(1 << 24)) for _ in range(64)) + squeeze.flush()
    data = b"zTXt" + b"Comment\0\0" + text
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    path.write_bytes(plain[:33] + chunk + plain[33:])


def image_folder(path: Path, put: Callable[[Path], object], *, classes: tuple[str, str] = ("a", "b")) -> None:
    """Write a folder of two classes with sound images, and one more file by `put`."""
    for split in ("train", "val"):
        for name in classes:
            folder = path / split / name
            folder.mkdir(parents=True)
            for number in range(4):
                pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    put(path / "train" / classes[0])


TRAIN = ("train", "--model", "preresnet20", "--steps", "1", "--recipe", "paper", "--image-size", "8", "--padding",
         "1", "--batch-size", "4", "--out", "OUT", "--data", "FILE")  # fmt: skip
EVALUATE = ("evaluate", "FILE")
PREDICT = ("predict", "FILE", "FILE")
CONVERT = (
    "convert",
    "FILE",
    "--from",
    "torchvision",
    "--architecture",
    "resnet50",
    "--out",
    "OUT.safetensors",
)
FETCH = ("data", "fetch", "cifar10", "--from", "FILE")
REPORT = ("report", "FILE")
RESUME = ("train", "--resume", "FILE")
CONFIG = ("train", "--config", "FILE", "--out", "OUT")
LOAD = ("load", "FILE")
"""No command: `resunit.load(FILE)`."""


def corpus(sentinel: Path) -> list[Malicious]:
    """Return all malicious files; those that run code, or leave their folder, would write the sentinel."""
    found: list[Malicious] = []

    def add(name: str, write: Callable[[Path], object], *commands: tuple[str, ...], **named: Any) -> None:
        found.extend(Malicious(f"{name}: {command[0]}", write, command, **named) for command in commands)

    def bytes_of(content: bytes) -> Callable[[Path], object]:
        return lambda path: path.write_bytes(content)

    for how, content in payloads(sentinel).items():
        add(f"pickle, {how}, as weights", bytes_of(content), EVALUATE, LOAD, file="weights.safetensors")
        add(f"pickle, {how}, as torch.save wrote before 1.6", bytes_of(content), CONVERT, file="model.pth")
        add(f"pickle, {how}, in torch.save's archive", lambda path, content=content: torch_archive(path, content),
            CONVERT, file="model.pt")  # fmt: skip
    some = payloads(sentinel)["os.system"]
    add("pickle as a checkpoint", lambda path: unfinished(path, some), RESUME)
    add(
        "pickle as weights of a run",
        lambda path: run_folder(path, weights__safetensors=some),
        EVALUATE,
        PREDICT,
    )
    add("pickle as recipe.json", bytes_of(some), CONFIG, file="recipe.json")
    add("pickle as result.json", lambda path: run_folder(path, result__json=some), REPORT)
    add(
        "pickle as an exported program",
        lambda path: torch_archive(path, some),
        EVALUATE,
        LOAD,
        file="model.pt2",
    )
    add("pickle as ONNX", bytes_of(some), EVALUATE, file="model.onnx")
    objects = np.array([Calls(exec, f"open({str(sentinel)!r}, 'w').close()")], dtype=object)
    add("pickle in NumPy's archive", lambda path: np.savez(path, w=objects), CONVERT, file="weights.npz")

    def cifar_pickle(path: Path) -> None:
        path.mkdir()
        for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
            (path / name).write_bytes(some)

    add("pickle as a CIFAR batch", cifar_pickle, FETCH)

    evil = f"{SENTINEL}-of-an-archive"
    for name, members in {
        "tar with ..": [(member(f"../../{evil}"), b"x")],
        "tar with an absolute path": [(member(f"{sentinel}"), b"x")],
        "tar with a link out": [
            (member("out", tarfile.SYMTYPE, str(sentinel.parent)), b""), (member(f"out/{SENTINEL}"), b"x"),
        ],
        "tar with a hard link": [(member("data_batch_1.bin", tarfile.LNKTYPE, "/etc/passwd"), b"")],
        "tar with a device": [(member("data_batch_1.bin", tarfile.CHRTYPE), b"")],
        "tar with a pipe": [(member("data_batch_1.bin", tarfile.FIFOTYPE), b"")],
    }.items():  # fmt: skip
        add(name, lambda path, members=members: tar(path, *members), FETCH, file="cifar-10.tar.gz")
    add("ZIP with ..", lambda path: zipped(path, **{f"../../{evil}": b"x"}), FETCH, file="cifar-10.zip")
    add(
        "ZIP with backslashes",
        lambda path: zipped(path, **{f"..\\..\\{evil}": b"x"}),
        FETCH,
        file="cifar-10.zip",
    )
    add("tar bomb", tar_bomb, FETCH, file="cifar-10.tar.gz")
    add("ZIP bomb", lambda path: zip_bomb(path, "data_batch_1.bin"), FETCH, file="cifar-10.zip")
    add(
        "bomb in torch.save's archive",
        lambda path: zip_bomb(path, "archive/data.pkl"),
        CONVERT,
        file="model.pt",
    )
    add("bomb in NumPy's archive", lambda path: zip_bomb(path, "w.npy"), CONVERT, file="weights.npz")

    nested = b"[" * DEEP + b"]" * DEEP
    huge = b'{"w": ' + b"9" * 1_000_000 + b"}"
    for name, write in {
        "header longer than the file": lambda path: header(path, b"{}", 1 << 20),
        "header of 2^63 bytes": lambda path: header(path, b"{}", 1 << 63),
        "header of 2^64 - 1 bytes": lambda path: header(path, b"{}", (1 << 64) - 1),
        "header of no JSON": lambda path: header(path, b"{" + b"\xff" * 64),
        "header of deep lists": lambda path: header(path, b'{"w": ' + nested + b"}"),
        "header with a number of a million digits": lambda path: header(path, huge),
        "shape beyond 2^64": lambda path: header(
            path, tensor_header([1 << 40, 1 << 40], [0, 4]), data=bytes(4)
        ),
        "negative shape": lambda path: header(path, tensor_header([-1], [0, 4]), data=bytes(4)),
        "offsets behind the end": lambda path: header(path, tensor_header([1 << 30], [0, 1 << 32])),
        "offsets backwards": lambda path: header(path, tensor_header([1], [4, 0]), data=bytes(4)),
        "unknown type": lambda path: header(path, tensor_header([1], [0, 4], "OBJ"), data=bytes(4)),
        "no header": bytes_of(b""),
    }.items():
        add(f"safetensors, {name}", write, EVALUATE, CONVERT, file="weights.safetensors")

    add("weights with a metadata bomb", lambda path: safetensors.torch.save_file(
        {"w": torch.zeros(1)}, path, {WEIGHTS: nested.decode()}), EVALUATE, LOAD,
        file="weights.safetensors")  # fmt: skip
    add("weights of a billion units", lambda path: forged_weights(path, network={"depths": [10**9, 3, 3]}), EVALUATE,
        LOAD, file="weights.safetensors")  # fmt: skip
    add("weights of a billion channels", lambda path: forged_weights(path, network={"widths": [10**9, 32, 64]}),
        EVALUATE, file="weights.safetensors")  # fmt: skip
    add("weights of a newer format", lambda path: forged_weights(path, format=10**6), EVALUATE,
        file="weights.safetensors")  # fmt: skip
    add("weights with a design of code that is not there", lambda path: forged_weights(
        path, network={"design": "absent_module_of_nobody:Unit"}), EVALUATE, file="weights.safetensors")  # fmt: skip
    add("weights whose images are huge", lambda path: forged_weights(path, preprocessing={"image_size": 10**9}),
        ("evaluate", "FILE", "--data", "cifar10-sample"), file="weights.safetensors",
        refused_by_name=False)  # fmt: skip
    add("checkpoint with a metadata bomb", lambda path: unfinished(path, safetensors.torch.save(
        {"w": torch.zeros(1)}, {CHECKPOINT: nested.decode()})), RESUME)  # fmt: skip

    for name, content in {"deep lists": nested, "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
                          "a number of a million digits": huge, "infinity": b'{"learning_rate": 1e999}',
                          "a list": b"[]", "bytes that are no text": bytes(range(256))}.items():  # fmt: skip
        add(
            f"JSON of {name}",
            bytes_of(content),
            CONFIG,
            file="recipe.json",
            refused_by_name=name != "infinity",
        )
        add(f"JSON of {name} as result.json", lambda path, content=content: run_folder(path, result__json=content),
            REPORT)  # fmt: skip
    add("JSON of deep lists as log.jsonl", lambda path: run_folder(path, log__jsonl=nested + b"\n"), REPORT)
    add(
        "JSON of deep lists as evaluation.json",
        lambda path: run_folder(path, evaluation__json=nested),
        REPORT,
    )
    add("recipe of 10^18 steps", lambda path: edited(path, "recipe.json", steps="9" * 18),
        ("train", "--config", "FILE/recipe.json", "--out", "OUT"), refused_by_name=False)  # fmt: skip

    shown = frozenset({0, 1})
    for name, text in (("HTML", HTML), ("terminal escapes", TERMINAL)):
        add(f"{name} as class names", lambda path, text=text: edited(
            path, "evaluation.json", classes=[f"{text}{number}" for number in range(10)]), REPORT, codes=shown,
            refused_by_name=False)  # fmt: skip
        add(f"{name} as the name of a model", lambda path, text=text: edited(path, "result.json", model=text), REPORT,
            codes=shown, refused_by_name=False)  # fmt: skip
        add(f"{name} as the command of a run", lambda path, text=text: edited(
            path, "environment.json", command=text, host=text), REPORT, codes=shown, refused_by_name=False)  # fmt: skip
        add(f"{name} as class names of weights", lambda path, text=text: forged_weights(
            path, classes=[f"{text}{number}" for number in range(10)]), EVALUATE, codes=shown,
            file="weights.safetensors", refused_by_name=False)  # fmt: skip
        safe = text.replace("/", "|")
        add(f"{name} as the name of an image", lambda path, safe=safe: image_folder(
            path, lambda folder: (folder / f"{safe}.png").write_bytes(b"no image")), TRAIN,
            refused_by_name=False)  # fmt: skip
        add(f"{name} as the name of a class folder", lambda path, safe=safe: image_folder(
            path, lambda _folder: None, classes=(safe, "b")), TRAIN, codes=frozenset({0}),
            refused_by_name=False)  # fmt: skip
    add("image bomb of 60,000 x 60,000 pixels", lambda path: image_folder(
        path, lambda folder: png(folder / "bomb.png", 60_000)), TRAIN)  # fmt: skip
    add("image with a text bomb", lambda path: image_folder(
        path, lambda folder: text_bomb(folder / "bomb.png")), TRAIN, codes=frozenset({0, 1}),
        refused_by_name=False)  # fmt: skip
    add("image that is a pickle", lambda path: image_folder(
        path, lambda folder: (folder / "evil.png").write_bytes(some)), TRAIN)  # fmt: skip
    add("link out of a folder of images", lambda path: image_folder(
        path, lambda folder: (folder / "passwd.png").symlink_to("/etc/passwd")), TRAIN)  # fmt: skip
    return found
