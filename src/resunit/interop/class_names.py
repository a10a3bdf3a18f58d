"""The names of the classes of a converted network, which other libraries' files do not hold."""

from resunit.data.cifar.facts import CIFAR10, CIFAR100
from resunit.data.dataset import distinct_names
from resunit.interop.library import LibraryPreprocessing
from resunit.models.network import NetworkSpec

IMAGENET_CLASSES = 1000


def class_names(spec: NetworkSpec, preprocessing: LibraryPreprocessing) -> tuple[str, ...]:
    """Return the names of a network's classes, in the order of the logits.

    Args:
        spec: the network's spec.
        preprocessing: says what the library's own networks were trained on. If the network has another number of
            classes than these data, its classes are called by their numbers.
    """
    for cifar in (CIFAR10, CIFAR100):
        if preprocessing.data == "cifar" and spec.num_classes == len(cifar.classes):
            return tuple(cifar.classes)
    if preprocessing.data == "imagenet" and spec.num_classes == IMAGENET_CLASSES:
        return imagenet_names()
    return tuple(map(str, range(spec.num_classes)))


def imagenet_names() -> tuple[str, ...]:
    """Return ImageNet's names as torchvision ships them; a name that two classes share has its number added."""
    from torchvision.models import ResNet18_Weights

    return distinct_names([str(name) for name in ResNet18_Weights.IMAGENET1K_V1.meta["categories"]])
