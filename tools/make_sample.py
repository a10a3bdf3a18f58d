"""Make the data set cifar10-sample anew, byte for byte: `python -m tools.make_sample` (needs cifar10).

It holds the first images of each class in file order: 100 from the training files and 50 from the test file.
"""

import sys

import torch

from resunit.data.cifar.records import encode_records
from resunit.data.cifar.sample import FOLDER, SAMPLE
from resunit.data.cifar.storage import store
from resunit.data.dataset import Dataset, Split
from resunit.data.loading import load

SOURCE = (
    "the first 100 training and 50 test images of each class of CIFAR-10 (Krizhevsky 2009), in file order"
)


def first_of_each_class(split: Split, count: int) -> Split:
    """Return the first `count` images of each class, in the order of `split`."""
    chosen = [(split.labels == label).nonzero().flatten()[:count] for label in split.labels.unique()]
    return split[torch.cat(chosen).sort().values]


def sample_records(cifar10: Dataset[Split]) -> dict[str, bytes]:
    """Return the content of each file of the sample."""
    records = {}
    for split, files in ((cifar10.train, SAMPLE.train), (cifar10.test, SAMPLE.test)):
        chosen = first_of_each_class(split, sum(files.values()) // len(SAMPLE.classes))
        for file, part in zip(files, torch.arange(len(chosen)).split(list(files.values())), strict=True):
            labels, images = chosen[part].labels.numpy(), chosen[part].images.numpy()
            records[file] = encode_records(labels[:, None], images)
    return records


def main() -> None:
    """Write the sample's files into the package."""
    FOLDER.mkdir(exist_ok=True)
    store(FOLDER, SAMPLE, sample_records(load("cifar10")), SOURCE)
    print(f"wrote {', '.join(SAMPLE.files)} to {FOLDER}", file=sys.stderr)


if __name__ == "__main__":
    main()
