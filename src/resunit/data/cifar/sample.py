"""The data set cifar10-sample: real images inside the package, for tests and machines without a network."""

from pathlib import Path

from resunit.data.cifar.facts import CIFAR10, Cifar

FOLDER = Path(__file__).parent / "cifar10_sample"
SAMPLE = Cifar(
    name="cifar10-sample",
    classes=CIFAR10.classes,
    train={"train_1.bin": 500, "train_2.bin": 500},
    test={"test.bin": 500},
)
