"""`resunit export`: a trained network as a file for other tools."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from resunit.cli.app import COMMON, DONE, Common, app, tell, tell_json
from resunit.cli.own_design import import_design_of
from resunit.cli.process import claim_process
from resunit.io.fields import to_json
from resunit.io.progress import working


@app.command(
    help_epilogue="Examples:\n"
    "  resunit export runs/quick-1 --to onnx --out model.onnx\n"
    "  resunit export runs/quick-1 --to onnx --with-preprocessing nhwc --int8 --out model.onnx\n"
    "  resunit export weights.safetensors --to timm --out resnet50/"
)
def export(
    source: Path,
    *,
    to: str,
    out: Path,
    with_preprocessing: str | None = None,
    int8: Annotated[bool, Parameter(negative="")] = False,
    data: str | None = None,
    common: Common = COMMON,
) -> int:
    """Export a trained network for other tools.

    The exported network is compared with the network itself on real images, and kept only if it gives the same
    answers. `predict` and `evaluate` take ONNX and OpenVINO files too.

    Args:
        source: A run's folder, a weights.safetensors file, or "imagenet" for the published ResNet-50.
        to: onnx, openvino, torch-export, timm or hub (a folder for the Hugging Face hub; nothing is sent).
        out: Write this file (.onnx; .pt2 for torch-export), or this folder; it must not exist.
        with_preprocessing: The exported network takes bytes and normalises them itself: nchw for (N, 3, H,
            W), nhwc for (N, H, W, 3). By default it takes normalised float32 images (N, 3, H, W).
        int8: Make weights and activations 8-bit integers, calibrated on training images, and print the test
            error before and after; for onnx and openvino.
        data: Check, calibrate and test on this data set; by default on the one that the network was trained
            on.
    """
    from resunit.interop.export.exporting import export as export_network

    claim_process()
    import_design_of(source)
    with working(f"exporting {source} to {out}", shown=not common.json):
        done = export_network(source, out, to=to, with_preprocessing=with_preprocessing, int8=int8, data=data)
    if common.json:
        tell_json(to_json(done))
        return DONE
    side, agreement = done.image_size, done.agreement
    shape = f"(N, {side}, {side}, 3)" if done.input.endswith("NHWC") else f"(N, 3, {side}, {side})"
    tell(f"{done.path}: {to}, {done.bytes / 1e6:.2f} MB; takes images {shape} {done.input.split()[0]}, any N")
    tell(
        f"logits differ from the network's by {agreement.relative_error:.1e} of the largest, with the same first "
        f"answer on {100 * agreement.same_class:.4g} % of {agreement.images} images ({agreement.origin})"
    )
    if done.int8 is not None:
        tell(
            f"{done.int8.data}: {done.int8.split} error {done.int8.error_before:.2f} % before and "
            f"{done.int8.error_after:.2f} % in 8-bit integers on {done.int8.images:,} images; calibrated on "
            f"{done.int8.calibration_images:,} training images"
        )
    return DONE
