"""Inference: trained networks are loaded, evaluated and used for prediction, and copied into faster forms."""

from resunit.inference.classifier import Classifier, Picture, WeightsEvaluation, evaluate_weights, load
from resunit.inference.explained_image import Answers
from resunit.inference.fuse import fold

__all__ = ["Answers", "Classifier", "Picture", "WeightsEvaluation", "evaluate_weights", "fold", "load"]
