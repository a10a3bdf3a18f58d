"""A program for torchrun: trains recipes without writing a run's folder, and stores what they computed.

It is started with a file of recipes, by name, and with the folder that gets NAME.safetensors for each of them.
"""

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from resunit.training.prepare import prepare
from resunit.training.process_state import isolated_process_state
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from resunit.training.training_step import TrainingStep

EVALUATED = (
    33,
    1,
)  # Images that two or four processes cannot share equally, and fewer than there are processes.


@isolated_process_state()
def computed_by(changes: dict[str, Any]) -> dict[str, Tensor]:
    """Return the final weights, the optimizer's state, and the answers on some images, of a changed "paper" recipe."""
    setup = prepare(with_changes(named_recipe("paper"), changes))
    model = setup.distributed.wrap(setup.network).train()
    with closing(setup.batches.feed(0, setup.steps, setup.image_size_at)) as feed:
        steps = TrainingStep(setup, model, feed)
        for step in range(setup.steps):
            steps.train(step)
    tensors = {f"network.{name}": tensor for name, tensor in setup.network.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in setup.optimizer.state().items()}
    for images in EVALUATED:
        predictions = setup.evaluate(images)
        tensors |= {f"answers.{images}": predictions.probabilities, f"labels.{images}": predictions.labels}
    if not setup.distributed.is_main:
        return {}
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}


def main() -> None:
    recipes, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    torch.set_num_threads(1)
    for name, changes in recipes.items():
        if tensors := computed_by(changes):
            save_file(tensors, out / f"{name}.safetensors")


if __name__ == "__main__":
    main()
