"""`resunit convert`: the weights of other libraries."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from resunit.cli.app import COMMON, Common, answer, app
from resunit.io.fields import to_json
from resunit.io.progress import working


@app.command(
    help_epilogue="Examples:\n"
    "  resunit convert resnet50.pth --from torchvision --architecture resnet50 --out weights.safetensors\n"
    "  resunit convert model.safetensors --from timm --architecture resnetv2_50 --out weights.safetensors"
)
def convert(
    file: Path,
    *,
    source: Annotated[str, Parameter(name="--from")],
    architecture: str,
    out: Path,
    common: Common = COMMON,
) -> int:
    """Convert another library's weights, so that `create_model(weights=...)` and `predict` take them.

    In evaluation the network gives the same logits, but for rounding. The command prints what differs in training.

    Args:
        file: A safetensors file, a state dict that torch.save wrote, NumPy's .npz, or a model.json of
            TensorFlow.js.
        source: The library: torchvision, timm, pytorchcv, torch-resnet, transformers, keras, akamaster or
            kuangliu.
        architecture: The library's name for the network, such as resnet50; for transformers also the path of
            a config.json.
        out: Write this weights.safetensors file.
    """
    from resunit.interop.convert import convert as convert_file

    with working(f"converting {file}", shown=not common.json):
        done = convert_file(file, out, library=source, architecture=architecture)
    summary = f"{done.weights}: {done.library}'s {done.architecture}, {done.parameters:,} parameters"
    return answer(common, to_json(done), summary, *done.notes)
