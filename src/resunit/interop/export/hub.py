"""A folder for the Hugging Face hub: config.json, model.safetensors and a model card; nothing is sent anywhere."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import resunit
from resunit.data import is_folder
from resunit.interop.export.check import Agreement, check_agreement
from resunit.interop.export.subject import ExportSubject
from resunit.io.atomic import whole_folder
from resunit.io.format import format_count
from resunit.models.registry import HUB_WEIGHTS
from resunit.models.weights import read_design, read_weights, record_to_json, write_weights
from resunit.runs.confusion import Confusion
from resunit.runs.folder import RunFolder
from resunit.runs.judged_images import are_few

TARGET = "hub"
CONFIGURATION, CARD = "config.json", "README.md"
MOST_CLASSES = 20  # that a card lists


def write_hub(subject: ExportSubject, out: Path) -> Agreement:
    """Write the folder, with weights that were checked as they were written.

    Of a folder that the network was trained on, only the last name is written.

    Raises:
        ExportError: the written weights give other logits.
        WriteError: the operating system refused to write a file.
    """
    file = subject.file
    result = public_result(file.result)
    record = record_to_json(file.spec, file.classes, file.preprocessing, result)
    configuration = {"library_name": "resunit", **record}
    with whole_folder(out) as folder:
        write_weights(
            folder / HUB_WEIGHTS,
            file.build(),
            file.spec,
            classes=file.classes,
            preprocessing=file.preprocessing,
            result=result,
            design_source=read_design(file.path).source,
            more_metadata={"format": "pt"},  # for programs of the hub
        )
        (folder / CONFIGURATION).write_text(json.dumps(configuration, indent=2, allow_nan=False) + "\n")
        card = model_card(subject, result, out.name, _judged(file.path))
        (folder / CARD).write_text(card, encoding="utf-8")
        return check_agreement(read_weights(folder / HUB_WEIGHTS).build().eval(), subject, TARGET)


def public_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's result with the name of its folder of images in the place of its path on this machine."""
    data = result.get("data")
    return {**result, "data": Path(data).name} if isinstance(data, str) and is_folder(data) else dict(result)


def _judged(weights: Path) -> Confusion | None:
    """Return the confusion matrix of a run's weights; None for other weights, and for a run without one."""
    run = RunFolder(weights.parent)
    evaluation = run.read_evaluation() if weights == run.weights else None
    if evaluation is None or not evaluation.confusion:
        return None
    return Confusion(evaluation.classes, evaluation.confusion)


def model_card(
    subject: ExportSubject, result: Mapping[str, Any], title: str, judged: Confusion | None = None
) -> str:
    """Return the model card: what the network is, how well it does, and how it is used.

    Args:
        subject: the network.
        result: the run's result; what it does not say is left out.
        title: the card's heading.
        judged: the images that the error was measured on; from few of them the card gives no accuracy to the hub.
    """
    file, preprocessing = subject.file, subject.preprocessing
    name = " ".join(str(result[key]) for key in ("model", "design") if result.get(key))
    side = preprocessing.image_size
    shown = ", ".join(file.classes[:MOST_CLASSES]) + (", ..." if len(file.classes) > MOST_CLASSES else "")
    parameters = sum(tensor.numel() for tensor in subject.network.parameters())
    has_few_images = judged is not None and are_few(judged.images, len(judged.classes))
    lines = [
        *_head(result, title, has_few_images),
        f"# {title}",
        "",
        f"A residual network{f', {name},' if name else ''} that names what images show, made with resunit.",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {parameters:,} |",
        f"| images | RGB, {side} x {side}, the centre of an image whose shorter side is {preprocessing.shorter_side} |",
        f"| classes | {len(file.classes)}: {shown} |",
        *_facts(result, judged, has_few_images),
        "",
        "## Use",
        "",
        "```python",
        "import resunit",
        "from huggingface_hub import snapshot_download",
        "",
        f'classifier = resunit.load(snapshot_download("OWNER/{title}"))',
        'print(classifier.predict("image.jpg"))',
        "```",
        "",
        "`resunit.create_model(weights=FOLDER)` gives the network as a torch.nn.Module.",
        "",
        "## Source",
        "",
        "Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun: Identity Mappings in Deep Residual Networks, ECCV 2016.",
        f"Written by resunit {resunit.__version__}.",
        "",
    ]
    return "\n".join(lines)


def _facts(result: Mapping[str, Any], judged: Confusion | None, has_few_images: bool) -> list[str]:
    """Return the rows of the card's table that a run's result has."""
    judged_on = None if judged is None else format_count(judged.images, "image")
    rows = {
        "trained on": result.get("data"),
        "recipe": result.get("recipe"),
        "steps": result.get("steps"),
        "images seen": result.get("images_seen"),
        "test error, one view of each image": _percent(result.get("test_error")),
        "validation error, one view of each image": _percent(result.get("validation_error")),
        "judged on": f"{judged_on}, too few for conclusions" if has_few_images else judged_on,
        "converted from": _origin(result.get("converted_from")),
    }
    return [f"| {name} | {_show(value)} |" for name, value in rows.items() if value is not None]


def _head(result: Mapping[str, Any], title: str, has_few_images: bool) -> list[str]:
    """Return the YAML at the beginning of a card; JSON's texts are texts of YAML too."""
    lines = [
        "---",
        "library_name: resunit",
        "pipeline_tag: image-classification",
        "tags: [image-classification, resunit, residual-network]",
    ]
    data, error = result.get("data"), result.get("test_error")
    if not isinstance(data, str):
        return [*lines, "---", ""]
    kind = "imagefolder" if is_folder(data) else data  # as the hub calls a folder of classes
    if kind == data:
        lines.append(f"datasets: [{json.dumps(data)}]")
    if isinstance(error, int | float) and not has_few_images:
        lines += [
            "metrics: [accuracy]",
            "model-index:",
            f"  - name: {json.dumps(title)}",
            "    results:",
            "      - task: {type: image-classification}",
            f"        dataset: {{name: {json.dumps(data)}, type: {json.dumps(kind)}, split: test}}",
            f"        metrics: [{{type: accuracy, value: {1 - error / 100:.4f}}}]",
        ]
    return [*lines, "---", ""]


def _percent(error: object) -> str | None:
    return f"{error:.2f} %" if isinstance(error, int | float) else None


def _origin(converted: object) -> str | None:
    if not isinstance(converted, Mapping):
        return None
    return f"{converted.get('library')}'s {converted.get('architecture')}"


def _show(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|")
