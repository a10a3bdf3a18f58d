"""The record of a run: its settings, which are known before it starts, and its results, which its folder holds."""

from collections.abc import Callable
from dataclasses import replace

from resunit.models.designs import DESIGNS
from resunit.reproduction.evidence.compared_runs import point_of_curve
from resunit.reproduction.experiments.experiment import Experiment
from resunit.reproduction.experiments.identity import recipe_hash
from resunit.reproduction.paper.networks import NetworkChoice, network
from resunit.runs.end_of_training import mean_at_the_end
from resunit.runs.read import Run
from resunit.runs.schema import (
    Environment,
    ExperimentRecord,
    LogLine,
    PropagationLine,
    PropagationPoint,
    Status,
)
from resunit.training.recipe import Recipe, recipe_from_json

# These measures of the signal are kept in records.
MEASURES = (
    "stream_rms",
    "gradient_gain",
    "direct_gain",
    "shortcut_gain",
    "cancellation_share",
    "weight_input_rms",
    "negative_share",
    "energy_cut",
    "gradient_blocked",
)


def record_without_results(
    experiment: Experiment, status: Status = "failed", error: str | None = None
) -> ExperimentRecord:
    """Return the record with the settings of a run and without results.

    Args:
        experiment: the run. Its design may be the user's own, which need not be imported.
        status: how the run ended.
        error: why the run failed, if it did.
    """
    recipe = experiment.typed_recipe
    assert recipe.batch_size is not None
    chosen = _network_of(recipe)
    return ExperimentRecord(
        table=experiment.table,
        row=experiment.row,
        model=chosen.model,
        design=chosen.design,
        options=dict(chosen.options),
        data=recipe.data,
        crop=recipe.crop,
        scale=experiment.scale,
        steps=experiment.steps,
        batch_size=recipe.batch_size,
        precision=recipe.precision,
        seed=experiment.seed,
        status=status,
        error=error,
        recipe=recipe_hash(experiment.recipe),
        numerics=experiment.numerics,
        identity=experiment.identity,
    )


def record_of(experiment: Experiment, run: Run) -> ExperimentRecord:
    """Return the record of a run that ended, from the files in its folder.

    A diverged run has no losses and errors. What the record calls test errors are those of the images that
    the run was judged on, which `split` names.
    """
    result = run.result
    done = result.status == "done"
    large_crop = result.view("large_crop")
    record = replace(
        record_without_results(experiment, result.status),
        steps_done=result.steps,
        split=result.split,
        classes=len(run.evaluation.classes) if done and run.evaluation else None,
        test_error=result.error,
        test_loss=run.log[-1].loss if done else None,
        test_top5_error=result.top5_error,
        test_error_large_crop=large_crop.error if large_crop else None,
        test_top5_error_large_crop=large_crop.top5_error if large_crop else None,
        train_loss=_count_at_the_end(run, result.train_loss, lambda line: line.train_loss),
        train_error=_count_at_the_end(run, result.train_error, lambda line: line.train_error),
        parameters=result.parameters,
        train_flops=result.train_flops,
        wall_seconds=result.wall_seconds,
        images_per_second=result.images_per_second,
        precision=result.precision,
        activation_checkpointing=recipe_from_json(run.recipe).activation_checkpointing,
        curve=tuple(map(point_of_curve, run.log)),
        propagation=tuple(map(_point_of_propagation, run.propagation)),
    )
    return record if run.environment is None else _with_environment(record, run.environment)


def _network_of(recipe: Recipe) -> NetworkChoice:
    assert recipe.model is not None
    assert recipe.design is not None
    if recipe.design in DESIGNS:
        return network(recipe.model, recipe.design, **recipe.model_options)
    return NetworkChoice(recipe.model, recipe.design, recipe.model_options)


def _with_environment(record: ExperimentRecord, environment: Environment) -> ExperimentRecord:
    return replace(
        record,
        threads=environment.threads,
        cores=environment.cores,
        torch=environment.torch,
        commit=environment.commit,
        batch_norm=environment.batch_norm,
        machine=environment.processor,
        version=environment.resunit,
    )


def _point_of_propagation(line: PropagationLine) -> PropagationPoint:
    measures = {name: line.measures[name] for name in MEASURES if name in line.measures}
    return PropagationPoint(line.step, measures)


def _count_at_the_end(
    run: Run, counted: float | None, number: Callable[[LogLine], float | None]
) -> float | None:
    """Return what the run counted over its last twentieth; results before format 3 have only the log to tell."""
    if counted is not None or run.result.status != "done":
        return counted
    return mean_at_the_end([(line.step, number(line)) for line in run.log], run.result.steps)
