"""The whitening stem makes patches uncorrelated with variance 1."""

import torch
from torch import nn

from resunit import create_model
from resunit.data import Normalisation, load
from resunit.training.whitening import fit_whitening


def test_patches_come_out_white() -> None:
    train = load("cifar10-sample").train
    normalisation = Normalisation.fit(train.images, "channel")
    images = normalisation(train.images)
    conv = nn.Conv2d(3, 24, 2, bias=False)
    fit_whitening(nn.Sequential(conv), train, normalisation)
    responses = conv(images).detach().transpose(0, 1).flatten(1)
    assert torch.equal(responses[:12], -responses[12:])
    covariance = responses[:12] @ responses[:12].T / responses.shape[1]
    variances = covariance.diagonal()
    assert ((variances > 0.5) & (variances <= 1.001)).all()  # the floor only shrinks the faint ones
    correlations = covariance / variances.sqrt().outer(variances.sqrt())
    assert (correlations - torch.eye(12)).abs().max() < 1e-3


def test_the_stem_is_not_trained_and_fits_any_number_of_channels() -> None:
    model = create_model("preresnet10-quick", in_channels=1)
    weight = dict(model.named_parameters())["stem.conv1.weight"]
    assert not weight.requires_grad
    assert weight.shape == (8, 1, 2, 2)
    assert model(torch.randn(2, 1, 32, 32)).shape == (2, 10)
