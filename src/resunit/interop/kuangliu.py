"""kuangliu's pytorch-cifar: the ImageNet networks of basic units with a stem for CIFAR.

Source: models/resnet.py and preact_resnet.py of github.com/kuangliu/pytorch-cifar.
"""

from dataclasses import replace

from resunit.interop.akamaster import LAYERS
from resunit.interop.library import FOR_CIFAR, Architecture, Library, Refusal, index_by_name
from resunit.interop.torchvision import SPECS

KUANGLIU = Library(
    "kuangliu",
    index_by_name(
        *(
            Architecture(
                name.replace("resnet", "ResNet"),
                replace(spec, stem="cifar", num_classes=10),
                LAYERS,
                preprocessing=FOR_CIFAR,
            )
            for name, spec in SPECS.items()
            if spec.branch == "basic"
        )
    ),
    refusals=(
        Refusal("preact", "nothing activates after its last unit"),
        Refusal("resnext", "its convolutions have groups, which resunit has not"),
        Refusal("^se", "its units have attention"),
    ),
)
