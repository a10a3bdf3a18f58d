"""Trained networks at work: loading, evaluating, predicting, and copies that are fast at it."""

from resunit.inference.classifier import (
    Answers,
    Classifier,
    Picture,
    WeightsEvaluation,
    evaluate_weights,
    load,
)
from resunit.inference.fuse import fold

__all__ = ["Answers", "Classifier", "Picture", "WeightsEvaluation", "evaluate_weights", "fold", "load"]
