"""What changes from step to step: the learning rate and the image size."""

from resunit.training.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate for step 0 <= `step` < `steps`, for a peak of `recipe.learning_rate`.

    "steps": the warm-up rate for the first iterations, then the peak, divided by 10 at each drop.
    "linear": up from `warmup_learning_rate` to the peak and down to 0, a triangle.
    """
    warmup = round(recipe.warmup * steps)
    if recipe.schedule == "steps":
        if step < warmup:
            return recipe.warmup_learning_rate
        drops = sum(step >= round(drop * steps) for drop in recipe.milestones)
        return recipe.learning_rate / 10**drops
    if step < warmup:
        rise = (step + 1) / (warmup + 1)
        return recipe.warmup_learning_rate + rise * (recipe.learning_rate - recipe.warmup_learning_rate)
    return recipe.learning_rate * (steps - step) / (steps - warmup)


def train_size(recipe: Recipe, step: int, steps: int, side: int) -> int:
    """The side of training images at `step`, in pixels, when they are stored with `side`."""
    for scale, end in zip(recipe.resize_scales, recipe.resize_ends, strict=True):
        if step < round(end * steps):
            return round(scale * side)
    return side
