"""What a run writes down: log lines, checkpoints and, at the end, weights, result and report."""

import base64
import io
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from resunit.data import StreamedSplit
from resunit.errors import RunError
from resunit.models.summary import multiply_adds, parameters
from resunit.models.weights import write_weights
from resunit.reports import write_run_page
from resunit.runs.folder import RunFolder
from resunit.training.checkpoints import newest_checkpoint, save_checkpoint
from resunit.training.environment import describe_environment
from resunit.training.evaluation import Evaluation, OtherViews
from resunit.training.setup import TrainingSetup
from resunit.training.state import Progress

MISTAKES_SHOWN = 24
TIMINGS = ("wall_seconds", "images_per_second")  # not in weight files: equal runs give equal bytes


class RunWriter:
    """Keeps the records of `job` in `folder`. All workers call its methods, the main one writes."""

    def __init__(self, folder: RunFolder, job: TrainingSetup):
        self.folder = folder
        self.job = job

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep other processes out of the folder, and record where this run happens."""
        worker = self.job.worker
        if not worker.is_main:
            yield
            return
        with self.folder.only_user():
            environment = describe_environment(worker.device, self.job.recipe.precision, worker.count)
            environment["data_checksum"] = self.job.dataset.checksum
            self.folder.write("environment.json", environment)
            yield

    def check_data(self) -> None:
        """Raise RunError if the data are not those that the run began with."""
        recorded = self.folder.recorded("data_checksum")
        if recorded not in (None, self.job.dataset.checksum):
            raise RunError(
                f"{self.folder.path}: {self.job.dataset.name} has changed since this run began; start anew"
            )

    def log(self, evaluation: Evaluation, progress: Progress) -> dict[str, Any]:
        """Add a line to log.jsonl and return it; counting for the next one starts anew."""
        job, split = self.job, self.job.dataset.split_name
        step = max(progress.step - 1, 0)
        line = {
            "step": progress.step,
            "epoch": job.epochs(progress.step),
            "train_loss": progress.train_loss(),
            "train_error": progress.train_error(),
            f"{split}_loss": evaluation.loss if math.isfinite(evaluation.loss) else None,
            f"{split}_error": evaluation.error,
            f"{split}_images": len(evaluation.labels),
            "learning_rate": job.learning_rate(step),
            "images_per_second": progress.images_per_second(),
            "seconds": progress.seconds,
        }
        whole = len(evaluation.labels) == len(job.dataset.test)
        progress.add_evaluation(evaluation.error, line["epoch"], len(evaluation.labels), whole)
        if job.worker.is_main:
            self.folder.append_log(line)
        return line

    def save_checkpoint(self, progress: Progress) -> None:
        if self.job.worker.is_main:
            progress.log_bytes = self.folder.log_bytes()
            save_checkpoint(self.folder.checkpoints, progress.step, self.state(), vars(progress))

    def state(self) -> dict[str, Tensor]:
        network = {f"network.{name}": tensor for name, tensor in self.job.network.state_dict().items()}
        return network | {f"optimizer.{name}": tensor for name, tensor in self.job.optimizer.state().items()}

    def restore(self) -> Progress:
        """Put the newest whole checkpoint into the job; a run without one starts over."""
        checkpoint = newest_checkpoint(self.folder.checkpoints)
        tensors, stored = checkpoint or ({}, {})
        progress = Progress(**stored)
        if tensors:
            parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}}
            for name, tensor in tensors.items():
                part, _, rest = name.partition(".")
                parts[part][rest] = tensor
            try:
                self.job.network.load_state_dict(parts["network"])
                self.job.optimizer.load_state(parts["optimizer"])
            except (RuntimeError, KeyError) as error:
                raise RunError(
                    f"{self.folder.path}: its checkpoint is not of the network in recipe.json; was it edited?"
                ) from error
        if self.job.worker.is_main:
            self.folder.truncate_log(progress.log_bytes)
        return progress

    def finish(
        self,
        status: str,
        progress: Progress,
        evaluation: Evaluation | None = None,
        views: OtherViews | None = None,
    ) -> dict[str, Any]:
        """Write result and report and, for a finished run, its weights and the evaluation behind it."""
        result = self.result(status, progress, evaluation, views)
        if self.job.worker.is_main:
            if evaluation is not None:
                self.write_weights(result)
                self.folder.write("evaluation.json", self.evaluation_record(evaluation))
            self.folder.write("result.json", result)
            write_run_page(self.folder.path)
        return result

    def result(
        self,
        status: str,
        progress: Progress,
        evaluation: Evaluation | None,
        views: OtherViews | None,
    ) -> dict[str, Any]:
        """result.json: errors in percent; those of the split that was not used are None.

        The test error is of one plain view of each image, whatever other views there were beside it.
        """
        job = self.job
        images_seen = progress.step * job.batches.batch_size
        errors: dict[str, float | None] = {"test_error": None, "best_test_error": None}
        split = job.dataset.split_name
        errors |= {f"{split}_error": None, f"best_{split}_error": progress.best_error}
        passes = Counter({job.image_size: progress.evaluated})
        if evaluation is not None and views is not None:
            errors |= {f"{split}_{name}": error for name, error in (evaluation.errors | views.errors).items()}
            passes.update({side: count * len(job.dataset.test) for side, count in views.passes.items()})
        return {
            "model": job.recipe.model,
            "design": job.spec.design,
            "data": job.dataset.name,
            "evaluation_flops": sum(
                2 * multiply_adds(job.spec, side) * count for side, count in passes.items()
            ),
            "recipe": job.recipe.name,
            "parameters": parameters(job.network),
            **errors,
            "best_epoch": progress.best_epoch,
            "seed": job.recipe.seed,
            "steps": progress.step,
            "images_seen": images_seen,
            "train_flops": job.train_flops(progress.step),
            "wall_seconds": progress.seconds,
            "images_per_second": images_seen / progress.training_seconds
            if progress.training_seconds
            else None,
            "precision": job.recipe.precision,
            "status": status,
        }

    def write_weights(self, result: dict[str, Any]) -> None:
        job, split = self.job, self.job.dataset.test
        preprocessing = {"image_size": job.image_size, "normalisation": job.normalisation.to_json()}
        if isinstance(split, StreamedSplit):
            preprocessing["shorter_side"] = split.shorter_side
        write_weights(
            self.folder.weights,
            job.network,
            job.spec,
            classes=job.dataset.classes,
            preprocessing=preprocessing,
            result={name: value for name, value in result.items() if name not in TIMINGS},
        )

    def evaluation_record(self, evaluation: Evaluation) -> dict[str, Any]:
        """evaluation.json: the confusion matrix and the worst mistakes with their images."""
        dataset = self.job.dataset
        mistakes = []
        worst = evaluation.worst_mistakes(MISTAKES_SHOWN)
        pictures = chain.from_iterable(dataset.test.pictures(torch.tensor(worst, dtype=torch.int64)))
        for index, picture in zip(worst, pictures, strict=True):
            true, predicted = int(evaluation.labels[index]), int(evaluation.predicted[index])
            mistakes.append(
                {
                    "index": index,
                    "true": dataset.classes[true],
                    "predicted": dataset.classes[predicted],
                    "probability": evaluation.probabilities[index, predicted].item(),
                    "true_probability": evaluation.probabilities[index, true].item(),
                    "image": data_uri(picture),
                }
            )
        return {
            "split": dataset.split_name,
            "classes": list(dataset.classes),
            "confusion": evaluation.confusion(),
            "mistakes": mistakes,
        }


def data_uri(image: Tensor) -> str:
    """A (3, H, W) uint8 image as a PNG that a page can hold."""
    buffer = io.BytesIO()
    Image.fromarray(image.cpu().permute(1, 2, 0).contiguous().numpy()).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
