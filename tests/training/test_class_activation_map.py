"""The class activation map is exact: its mean and the bias of the class are the logit."""

import pytest
import torch
from torch import Tensor, nn

import resunit
from resunit.data import Normalisation
from resunit.inference.fuse import fold
from resunit.models.network import ResidualNetwork
from resunit.training.class_activation_map import class_activation_maps, compute_mapped_logits


def with_random_statistics(network: ResidualNetwork) -> ResidualNetwork:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # pyright: ignore[reportArgumentType]
            nn.init.uniform_(module.running_var, 0.5, 2)  # pyright: ignore[reportArgumentType]
    nn.init.normal_(network.classifier.bias)  # pyright: ignore[reportArgumentType]
    return network.eval()


@pytest.mark.parametrize(
    ("name", "side"), [("resnet20", 32), ("preresnet20", 32), ("preresnet20", 27), ("preresnet18", 75)]
)
@pytest.mark.parametrize("is_folded", [False, True])
def test_the_mean_of_the_map_and_the_bias_are_the_logit(name: str, side: int, is_folded: bool) -> None:
    torch.manual_seed(0)
    network = with_random_statistics(resunit.create_model(name, num_classes=7))
    classifier = network.classifier
    assert isinstance(classifier, nn.Linear)
    images = torch.randint(256, (5, 3, side, side), dtype=torch.uint8)
    normalisation = Normalisation.of_imagenet()
    used = fold(network) if is_folded else network
    found = compute_mapped_logits(used, classifier, images, normalisation, "fp32")
    with torch.inference_mode():
        logits = network(normalisation(images))
    torch.testing.assert_close(found.logits, logits, rtol=1e-4, atol=1e-4)
    first = logits.argmax(1)
    assert found.maps.shape[0] == 5
    assert found.maps[0].numel() > 1
    torch.testing.assert_close(
        found.maps.mean((1, 2)) + classifier.bias[first],
        found.logits.gather(1, first[:, None])[:, 0],
        rtol=1e-4,
        atol=1e-4,
    )


def test_a_place_has_the_weighted_sum_of_its_own_features() -> None:
    torch.manual_seed(0)
    features, classifier = torch.randn(2, 3, 4, 5), nn.Linear(3, 6)
    classes = torch.tensor([5, 2])
    maps = class_activation_maps(features, classifier, classes)
    expected: Tensor = torch.zeros(2, 4, 5)
    for image, label in enumerate(classes):
        for row in range(4):
            for column in range(5):
                for channel in range(3):
                    product = classifier.weight[label, channel] * features[image, channel, row, column]
                    expected[image, row, column] += product.detach()
    torch.testing.assert_close(maps, expected)
