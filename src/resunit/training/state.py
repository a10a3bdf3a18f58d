"""How far a run has come: what changes as it trains, and is stored with every checkpoint."""

from dataclasses import dataclass


@dataclass
class Progress:
    """`loss_sum`, `wrong` and `seen` count training images since the last evaluation, for its log line;
    `evaluated` all images evaluated."""

    step: int = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    log_bytes: int = 0
    loss_sum: float = 0.0
    wrong: int = 0
    seen: int = 0
    seen_seconds: float = 0.0
    evaluated: int = 0
    best_error: float | None = None
    best_epoch: float | None = None

    def add_step(self, loss: float, wrong: int, images: int, seconds: float) -> None:
        self.step += 1
        self.seconds += seconds
        self.training_seconds += seconds
        self.loss_sum += loss * images
        self.wrong += wrong
        self.seen += images
        self.seen_seconds += seconds

    def train_loss(self) -> float | None:
        return self.loss_sum / self.seen if self.seen else None

    def train_error(self) -> float | None:
        return 100 * self.wrong / self.seen if self.seen else None

    def images_per_second(self) -> float | None:
        return self.seen / self.seen_seconds if self.seen_seconds else None

    def add_evaluation(self, error: float, epoch: float, images: int, whole: bool) -> None:
        """Remember the best error on the `whole` split and start counting anew."""
        self.evaluated += images
        if whole and (self.best_error is None or error < self.best_error):
            self.best_error, self.best_epoch = error, epoch
        self.loss_sum, self.wrong, self.seen, self.seen_seconds = 0.0, 0, 0, 0.0
