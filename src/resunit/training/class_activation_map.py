"""The class activation map: where in an image the evidence for a class lies (Zhou et al. 2016).

The logit of class c is a sum over places. With x the activations before the global mean, w the classifier's weights
and b its bias,

    logit_c = b_c + sum_k w_ck mean_ij x_kij = b_c + mean_ij M_c[i, j],     M_c[i, j] = sum_k w_ck x_kij

so the map M_c is no approximation here: one linear layer follows a mean.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from resunit.data import Normalisation
from resunit.data.data_uri import png_uri
from resunit.models.network import ResidualNetwork
from resunit.training.precision import autocast, dtype_of_weights

FOR_RGB, AGAINST_RGB = (224, 123, 40), (59, 125, 196)  # the orange and the blue of io/style.py
MOST_OPAQUE = 220


@dataclass(frozen=True)
class MappedLogits:
    """The logits of N images, and the class activation map of the class with the highest logit of each."""

    logits: Tensor
    """(N, classes) float32."""
    maps: Tensor
    """(N, H', W') float32, one number for each place of the last activations."""


def class_activation_maps(features: Tensor, classifier: nn.Linear, classes: Tensor) -> Tensor:
    """Return the maps (N, H', W') float32, whose mean and the class's bias make the logit.

    Args:
        features: (N, K, H', W'), as `ResidualNetwork.forward_features` returns them.
        classifier: the layer that reads the mean of the features.
        classes: (N,) int64, the class of each image.
    """
    weights = classifier.weight.detach()[classes].float()
    return torch.einsum("nkhw,nk->nhw", features.float(), weights)


@torch.inference_mode()
def compute_mapped_logits(
    network: ResidualNetwork,
    classifier: nn.Linear,
    images: Tensor,
    normalisation: Normalisation,
    precision: str,
) -> MappedLogits:
    """Return the logits of images with the maps of their first classes, from one pass.

    Args:
        network: the network in evaluation mode; it may be folded.
        classifier: its classifier as it was before folding, whose weights can be read.
        images: (N, 3, H, W) uint8, on the network's device.
        normalisation: the one that the network was trained with.
        precision: "bf16", "tf32", "fp32" or "fp64".
    """
    with autocast(images.device, precision):
        features = network.forward_features(normalisation(images).to(dtype_of_weights(precision)))
        logits = network.forward_head(features).float()
    return MappedLogits(logits, class_activation_maps(features, classifier, logits.argmax(1)))


def draw_evidence(evidence: Tensor) -> str:
    """Return a map (H, W) as the data URI of a PNG with a pixel for each place.

    Orange is evidence for the class and blue is evidence against it; the strongest place of the map is the most
    opaque one.
    """
    values = evidence.numpy()
    strongest = float(np.abs(values).max()) or 1.0
    colours = np.where(values[..., None] > 0, FOR_RGB, AGAINST_RGB)
    opacity = MOST_OPAQUE * np.abs(values[..., None]) / strongest
    pixels = np.concatenate([colours, opacity], axis=-1).round().astype(np.uint8)
    return png_uri(Image.fromarray(pixels, "RGBA"))
