"""Records of runs that were never made, whose verdicts are known."""

from collections.abc import Iterable
from typing import Any

from resunit.reproduction.claims import CLAIMS, Verdict, judge
from resunit.reproduction.networks import Network, network
from resunit.reproduction.setting import recipe_of_scale

BY_ID = {claim.id: claim for claim in CLAIMS}
NOISE = (-0.3, 0.0, 0.3, 0.1, -0.1)


def runs(
    net: Network, error: float | None, loss: float | None = 1.0, *, seeds: int = 3, **changes: Any
) -> list[dict[str, Any]]:
    """Records of `net` around a test error and a training loss; diverged without."""
    early = changes.pop("early", loss)
    truncated = changes.pop("truncated", (0.5, 0.5))
    growth = changes.pop("growth", 1.0)
    records = []
    for seed in range(seeds):
        noise = NOISE[seed]
        status = "diverged" if error is None else "done"
        records.append(
            {
                "model": net.model,
                "design": net.design,
                "options": dict(net.options),
                "data": "cifar10",
                "scale": "mini",
                "steps": 400,
                "batch_size": 64,
                "precision": "bf16",
                "recipe": recipe_of_scale("mini"),
                "numerics": 1,
                "machine": "a machine",
                "seed": seed,
                "status": status,
                "test_error": None if error is None else error + noise,
                "train_loss": None if loss is None else loss + noise / 100,
                "curve": [
                    {"step": step, "train_loss": (early or 0) + noise / 100 if step <= 200 else 0.0}
                    for step in range(20, 401, 20)
                ],
                "propagation": [
                    {
                        "step": step,
                        "stream_rms": [1.0, 2.0 ** (growth + noise / 10)],
                        "truncated": [truncated[when] + noise / 100, None],
                    }
                    for when, step in enumerate((0, 300))
                ],
            }
            | changes
        )
    return records


def verdict(claim: str, records: Iterable[dict[str, Any]]) -> Verdict:
    return judge(records, [BY_ID[claim]])[0]


ORIGINAL, PLAIN = network("resnet110"), network("resnet110", "plain")
CONV = network("resnet110", "conv-shortcut")
PRE = network("resnet110", "full-preactivation")
