"""The weights that a run starts from: a trained network, how its images are prepared, and a checksum."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from resunit.data import Normalisation, is_folder
from resunit.errors import UsageError
from resunit.models.network import NetworkSpec, ResidualNetwork
from resunit.models.registry import IMAGENET, check_network, find_name, stored_weights
from resunit.models.weights import WeightsFile, read_weights
from resunit.training.preprocessing import Preprocessing, preprocessing_of
from resunit.training.recipe import Recipe

DATA_CHANNELS = 3  # All data sets have colour images; grey ones are read as such.


@dataclass(frozen=True)
class StartingWeights:
    """A weights file that a run starts from."""

    file: WeightsFile
    preprocessing: Preprocessing
    checksum: str
    """The SHA-256 of the file, in hexadecimal."""
    recorded: str
    """What recipe.json says: the file's whole path, or "imagenet"."""

    @property
    def network(self) -> str:
        """The name of the network, or another library's for one that has no name here."""
        result = self.file.result
        converted = result.get("converted_from")
        architecture = converted.get("architecture") if isinstance(converted, dict) else None
        return str(result.get("model") or find_name(self.file.spec) or architecture or self.file.path.stem)

    def keeps_classifier(self, classes: Sequence[str]) -> bool:
        """Return whether the classifier names exactly `classes`, in this order, so that it need not be fresh."""
        return self.file.classes == tuple(classes)

    def spec_for(self, classes: Sequence[str]) -> NetworkSpec:
        """Return the spec of the network for a data set with `classes`."""
        return replace(self.file.spec, num_classes=len(classes), in_channels=DATA_CHANNELS)

    def build(self, classes: Sequence[str]) -> ResidualNetwork:
        """Return the network for a data set with `classes`; a fresh classifier is from torch's generator."""
        network = self.file.build(in_channels=DATA_CHANNELS)
        if not self.keeps_classifier(classes):
            network.reset_classifier(len(classes))
        return network

    def image_size_for(self, recipe: Recipe) -> int | None:
        """Return the image size that the data set of `recipe` gets: that of the weights unless another is asked for.

        CIFAR's images keep their own size.
        """
        if recipe.image_size is not None or not is_folder(recipe.data):
            return recipe.image_size
        return self.preprocessing.image_size

    def normalisation_for(self, recipe: Recipe, side: int) -> Normalisation:
        """Return the normalisation that the network was trained with.

        Raises:
            UsageError: it is a mean image of another size than `side` pixels.
        """
        normalisation = self.preprocessing.normalisation
        if normalisation.kind == "pixel" and normalisation.mean.shape[-1] != side:
            stored = normalisation.mean.shape[-1]
            raise UsageError(
                f"{recipe.weights}: its network subtracts a mean image of {stored} pixels, and the images have "
                f"{side}; give --image-size {stored} and --crop shift"
            )
        return normalisation


def read_starting_weights(recipe: Recipe) -> StartingWeights | None:
    """Return the weights that `recipe` starts from; None if it starts from random weights.

    Raises:
        UsageError: the recipe names a network, design or option that does not exist or does not apply.
        FileFormatError: the file is missing, damaged or foreign, or holds another network than the recipe names.
    """
    if recipe.weights is None:
        return None
    path = stored_weights(recipe.weights)
    file = read_weights(path)
    if recipe.model is not None:
        check_network(file, recipe.model, recipe.design, recipe.model_options)
    recorded = recipe.weights if recipe.weights == IMAGENET else str(path.resolve())
    return StartingWeights(file, preprocessing_of(file), checksum_of(recipe.weights), recorded)


def checksum_of(weights: str) -> str:
    """Return the SHA-256, in hexadecimal, of the file that `weights` names. Raises FileFormatError if there is none."""
    path = stored_weights(weights)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
