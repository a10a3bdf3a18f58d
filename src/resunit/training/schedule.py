"""The values that change from step to step: the learning rate and the image size."""

import math

from resunit.training.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of one step; the greatest of all steps is `recipe.learning_rate`.

    The schedule "steps" is the paper's (section 3.1 and appendix): first the warm-up's rate, then the peak,
    which is divided by 10 at each milestone. The schedule "linear" rises in a line from the warm-up's rate to
    the peak and falls in a line to 0. The schedule "cosine" rises as "linear" does, and falls along half a cosine
    (Loshchilov and Hutter 2017).

    Args:
        recipe: its `learning_rate`, `schedule`, `milestones`, `warmup` and `warmup_learning_rate` are used.
        step: the number of steps before this one, at least 0 and below `steps`.
        steps: the number of all steps of the run.
    """
    warmup = round(recipe.warmup * steps)
    if recipe.schedule == "steps":
        if step < warmup:
            return recipe.warmup_learning_rate
        passed = sum(step >= round(milestone * steps) for milestone in recipe.milestones)
        return recipe.learning_rate / 10**passed
    if step < warmup:
        rise = (step + 1) / (warmup + 1)
        return recipe.warmup_learning_rate + rise * (recipe.learning_rate - recipe.warmup_learning_rate)
    if recipe.schedule == "cosine":
        return recipe.learning_rate * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
    return recipe.learning_rate * (steps - step) / (steps - warmup)


def train_size(recipe: Recipe, step: int, steps: int, side: int) -> int:
    """Return the side in pixels of the training images of one step (progressive resizing).

    Args:
        recipe: its `resize_scales` and `resize_ends` are used.
        step: the number of steps before this one.
        steps: the number of all steps of the run.
        side: the side in pixels of the stored images.
    """
    for scale, end in zip(recipe.resize_scales, recipe.resize_ends, strict=True):
        if step < round(end * steps):
            return round(scale * side)
    return side
