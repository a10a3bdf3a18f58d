"""Inference: trained networks are loaded, evaluated and used for prediction, and copied into faster forms."""

from resunit.inference.classifier import Classifier, Picture, load
from resunit.inference.explained_image import Answers
from resunit.inference.fuse import fold
from resunit.inference.weights_evaluation import WeightsEvaluation, evaluate_weights

__all__ = ["Answers", "Classifier", "Picture", "WeightsEvaluation", "evaluate_weights", "fold", "load"]
