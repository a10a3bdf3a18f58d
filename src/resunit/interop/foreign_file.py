"""Files of other libraries: safetensors, and pickles that torch restricts to tensors; nothing in a file is executed.

What a training script puts around a state dict is taken off: the dictionary that holds it, and the prefixes that
DistributedDataParallel, torch.compile and Lightning give to all names.
"""

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from resunit.errors import FileFormatError, reason_of
from resunit.interop.numpy_archive import is_numpy_archive, read_numpy_archive
from resunit.interop.tensorflow_js import read_tensorflow_js
from resunit.io.downloads import describe_download
from resunit.io.format import format_count

LENGTH_BYTES = 8  # A safetensors file begins with the length of its JSON header as a little-endian integer.
ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"  # the first bytes of such files
KERAS_SNIPPET = 'numpy.savez("weights.npz", **{weight.path: weight.numpy() for weight in model.weights})'
LARGEST_HEADER = 100_000_000  # bytes, as the safetensors library allows.
# The averaged weights come first: they are what training scripts report the error of (timm reads them so too).
EMA_KEYS = ("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema")
PLAIN_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.")
AVERAGING_COUNTER = "n_averaged"  # torch.optim.swa_utils.AveragedModel counts its updates beside the weights.
MOST_KEYS = 4  # that a message names
DEEPEST = 4  # dictionaries around a state dict
# In torch's message, the class that a pickle asks for stands after this word, and any other reason after this sentence.
CLASS_IN_REFUSAL = re.compile(r"GLOBAL ([\w.]+)")
CODE_OF_TORCHSCRIPT = re.compile(r"[^/]+/code/.*\.py")
PROGRAM_OF_EXPORT = re.compile(r"([^/]+/models/.*|serialized_exported_program)\.json")
REASON_IN_REFUSAL = re.compile(r"WeightsUnpickler error:\s+([^\n]+)")


@dataclass(frozen=True)
class ForeignState:
    """The state dict in a file.

    Attributes:
        tensors: the tensors by the library's names.
        taken_from: the keys of the dictionaries that held the state dict, from the outermost.
        prefix: the beginning that the names of the network's tensors had, if others stood beside them.
        left_out: the names of the tensors that are no part of the network.
    """

    tensors: Mapping[str, Tensor]
    taken_from: tuple[str, ...] = ()
    prefix: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def is_average(self) -> bool:
        """Whether the weights are a moving average over training."""
        return any(key in EMA_KEYS for key in self.taken_from)


def read_foreign(path: Path) -> ForeignState:
    """Read the state dict in a file of another library.

    Args:
        path: a safetensors file, what torch.save wrote, NumPy's .npz, or the model.json of TensorFlow.js.

    Raises:
        FileFormatError: the file is missing, truncated or of another kind, holds more than tensors, or states
            sizes that it has not; the message names it.
    """
    if path.is_dir():
        raise FileFormatError(f"{path}: is a folder; name the weights file in it")
    try:
        with path.open("rb") as file:
            start = file.read(LENGTH_BYTES + 1)
    except FileNotFoundError:
        raise FileFormatError(f"{path}: no such file; correct the path") from None
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror})") from error
    if start[:1] == b"{":
        return ForeignState(read_tensorflow_js(path))
    if (other := describe_download(path)) is not None:
        raise FileFormatError(f"{path}: no weights but {other}")
    if start[:8] == HDF5 or path.suffix == ".keras":
        raise FileFormatError(
            f"{path}: HDF5 is not read; in Keras write the weights as NumPy's: {KERAS_SNIPPET}"
        )
    if start[:4] == ZIP and is_numpy_archive(path):
        return ForeignState(read_numpy_archive(path))
    if start[:4] == ZIP or start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return find_state_dict(_read_pickle(path), path)
    if start[LENGTH_BYTES:] == b"{" or path.suffix == ".safetensors":
        return find_state_dict(_read_safetensors(path, start), path)
    raise FileFormatError(
        f"{path}: neither a safetensors file nor one that torch.save wrote; save the weights as one of these"
    )


def find_state_dict(content: Any, path: Path) -> ForeignState:
    """Return the state dict in what a file holds.

    Args:
        content: a state dict, or a dictionary that holds one.
        path: the file, for the message.

    Raises:
        FileFormatError: there is no state dict.
    """
    taken_from: list[str] = []
    while isinstance(content, Mapping) and len(taken_from) < DEEPEST:
        inside = next(
            (key for key in (*EMA_KEYS, *PLAIN_KEYS) if isinstance(content.get(key), Mapping)), None
        )
        if inside is None:
            break
        taken_from.append(inside)
        content = content[inside]
    if not isinstance(content, Mapping):
        raise FileFormatError(
            f"{path}: holds a {type(content).__name__} and no state dict; save state_dict()"
        )
    named = {str(name): value for name, value in content.items()}
    named.pop(AVERAGING_COUNTER, None)
    if not named:
        raise FileFormatError(f"{path}: holds no tensors")
    if any(isinstance(value, Mapping) for value in named.values()):
        likely = [name for name, value in named.items() if _has_named_tensors(value)]
        remedy = "save the network's state_dict() alone"
        if likely:
            remedy = f"take the network's out with torch.save(torch.load(PATH)[{likely[0]!r}], NEW_PATH)"
        raise FileFormatError(
            f"{path}: has no state dict under a usual name, and holds {_name_some(likely or list(named))}; {remedy}"
        )
    for name, value in named.items():
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise FileFormatError(f"{path}: {name!r} is a {kind} and no tensor; save the state dict alone")
    while prefix := next((prefix for prefix in PREFIXES if all(n.startswith(prefix) for n in named)), None):
        named = {name.removeprefix(prefix): value for name, value in named.items()}
    return ForeignState(named, tuple(taken_from))


def _has_named_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(
        isinstance(name, str) and isinstance(item, Tensor) for name, item in value.items()
    )


def _name_some(names: Sequence[str]) -> str:
    """Return the first few of a list of names, as a text."""
    more = f" and {format_count(rest, 'other')}" if (rest := len(names) - MOST_KEYS) > 0 else ""
    return ", ".join(map(repr, names[:MOST_KEYS])) + more


def select_network(state: ForeignState, stem: str, path: Path) -> ForeignState:
    """Return the tensors of a network that is a part of what a file holds, as the backbone of a larger one is.

    Args:
        state: the tensors in the file.
        stem: the name of the network's first tensor, such as conv1.weight.
        path: the file, for the message.

    Returns:
        The state without the prefix and without the tensors that have none; `state` itself if no name ends in `stem`.

    Raises:
        FileFormatError: two networks or more have such a tensor.
    """
    prefixes = [name.removesuffix(stem) for name in state.tensors if name.endswith(f".{stem}")]
    depth = min((prefix.count(".") for prefix in prefixes), default=0)
    # Units have tensors of such names too, and stand deeper.
    outermost = [prefix for prefix in prefixes if prefix.count(".") == depth]
    if not outermost:
        return state
    if len(outermost) > 1:
        raise FileFormatError(
            f"{path}: holds more than one network ({', '.join(outermost)}); save the tensors of one of them"
        )
    (prefix,) = outermost
    inside = {
        name.removeprefix(prefix): tensor for name, tensor in state.tensors.items() if name.startswith(prefix)
    }
    left_out = tuple(name for name in state.tensors if not name.startswith(prefix))
    return replace(state, tensors=inside, prefix=prefix, left_out=left_out)


def _read_safetensors(path: Path, start: bytes) -> dict[str, Tensor]:
    size, header = path.stat().st_size, int.from_bytes(start[:LENGTH_BYTES], "little")
    if header > min(LARGEST_HEADER, size - LENGTH_BYTES):
        raise FileFormatError(
            f"{path}: states a header of {header:,} bytes in a file of {size:,}; it is truncated or damaged, get "
            "another copy"
        )
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise FileFormatError(f"{path}: not a readable safetensors file ({reason_of(error)})") from error


def _read_pickle(path: Path) -> Any:
    _refuse_compressed(path)
    try:
        # The scripts of timm and torchvision store their options beside the weights, in a Namespace.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Torch warns of kinds of files and tensors that are refused here.
            # Torch takes a path that ends in .safetensors for such a file, whatever is in it.
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = CLASS_IN_REFUSAL.search(str(error)) or REASON_IN_REFUSAL.search(str(error))
        what = f"({found[1] if found else reason_of(error)})"
        raise FileFormatError(
            f"{path}: refused, because it holds more than tensors {what}, and nothing in a file is executed; save "
            "the network's state_dict() alone"
        ) from error
    except Exception as error:  # A damaged file makes torch's readers fail in many ways.
        raise FileFormatError(
            f"{path}: truncated or damaged ({type(error).__name__}: {reason_of(error)}); get another copy"
        ) from error


def _refuse_compressed(path: Path) -> None:
    """Refuse an archive that unpacks to more than its own size, which none of torch.save's does."""
    try:
        if not zipfile.is_zipfile(path):
            return  # What torch wrote before version 1.6, or a truncated archive.
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FileFormatError(
            f"{path}: truncated or damaged ({reason_of(error)}); get another copy"
        ) from error
    if any(CODE_OF_TORCHSCRIPT.fullmatch(entry.filename) for entry in entries):
        raise FileFormatError(
            f"{path}: a TorchScript program, which is not executed; in Python save torch.jit.load(PATH).state_dict()"
        )
    if any(PROGRAM_OF_EXPORT.fullmatch(entry.filename) for entry in entries):
        raise FileFormatError(
            f"{path}: a program of torch.export, which is not executed; in Python save "
            "torch.export.load(PATH).state_dict"
        )
    if unpacked > path.stat().st_size:
        raise FileFormatError(
            f"{path}: refused, because it would unpack to {unpacked:,} bytes, and torch.save does not compress; "
            "save it again with torch.save"
        )
