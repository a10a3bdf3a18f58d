"""The state of a run: what changes from step to step, and is stored with every checkpoint."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass
class TrainingState:
    """The counts of a run: some since its first step, the others since its last evaluation."""

    FORMAT: ClassVar[int] = 4

    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Wall-clock time of the run, evaluations and measurements included."""
    training_seconds: float = 0.0
    """Wall-clock time of its training steps alone."""
    log_bytes: int = 0
    """The size of log.jsonl when the checkpoint was written."""
    loss_sum: float = 0.0
    """The sum of the losses of all training images since the last evaluation."""
    wrong: int = 0
    """Wrong answers on training images since the last evaluation."""
    seen: int = 0
    """Training images since the last evaluation."""
    seen_seconds: float = 0.0
    """Wall-clock time of the training steps since the last evaluation."""
    end_loss_sum: float = 0.0
    """The sum of the losses of all training images at the end of the run, as `runs.end_of_training` has it."""
    end_wrong: int = 0
    """Wrong answers on these images."""
    end_seen: int = 0
    """The number of these images. Checkpoints before format 3 did not count them."""
    evaluated: int = 0
    """Images evaluated, over all evaluations."""
    best_error: float | None = None
    """The lowest error in percent of all evaluations on the whole split."""
    best_epoch: float | None = None
    """The epoch of that evaluation."""
    evaluations_since_best: int = 0
    """The number of evaluations on the whole split after that one. Checkpoints before format 4 did not count them."""
    format: int = FORMAT

    def add_step(self, loss: float, wrong: int, images: int, seconds: float, *, is_at_the_end: bool) -> None:
        """Count one step: its mean loss, wrong answers, images and wall-clock time."""
        self.step += 1
        self.seconds += seconds
        self.training_seconds += seconds
        self.loss_sum += loss * images
        self.wrong += wrong
        self.seen += images
        self.seen_seconds += seconds
        if is_at_the_end:
            self.end_loss_sum += loss * images
            self.end_wrong += wrong
            self.end_seen += images

    def forget_the_end(self) -> None:
        """Set the counts that belong to the run's end to zero, because the run will end later."""
        self.end_loss_sum, self.end_wrong, self.end_seen = 0.0, 0, 0
        self.evaluations_since_best = 0

    def train_loss(self) -> float | None:
        """Return the mean training loss since the last evaluation; None before the first step."""
        return self.loss_sum / self.seen if self.seen else None

    def train_error(self) -> float | None:
        """Return the training error in percent since the last evaluation; None before the first step."""
        return 100 * self.wrong / self.seen if self.seen else None

    def images_per_second(self) -> float | None:
        """Return the training speed since the last evaluation; None before the first step."""
        return self.seen / self.seen_seconds if self.seen_seconds else None

    def add_evaluation(self, error: float, epoch: float, images: int, is_whole: bool) -> bool:
        """Count one evaluation, and set the counts since the last evaluation to zero.

        Args:
            error: the error in percent; the best one so far is kept if the split was evaluated whole.
            epoch: the epoch of the evaluation.
            images: the number of images evaluated.
            is_whole: whether these were all images of the split.

        Returns:
            Whether the error is the lowest so far.
        """
        self.evaluated += images
        is_best = is_whole and (self.best_error is None or error < self.best_error)
        if is_best:
            self.best_error, self.best_epoch, self.evaluations_since_best = error, epoch, 0
        elif is_whole:
            self.evaluations_since_best += 1
        self.loss_sum, self.wrong, self.seen, self.seen_seconds = 0.0, 0, 0, 0.0
        return is_best
