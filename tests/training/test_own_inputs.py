"""Runs on one's own tensors, data sets and modules are the runs that a recipe gives, where it can name the same."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data import Dataset as TorchDataset

import resunit
from resunit.data import Dataset, Split, make_dataset
from resunit.errors import DataError, FileFormatError, RunError, UsageError
from resunit.runs.folder import RunFolder
from resunit.runs.schema import LogLine
from resunit.training import loop
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.training_step import TrainingStep
from tests.cli.command_lines import refused

SMALL: dict[str, Any] = {
    "model": "resnet20", "data": "cifar10-sample", "image_size": 16, "steps": 4, "batch_size": 32,
    "precision": "fp32", "evaluate_steps": 2, "checkpoint_every": 1,
}  # fmt: skip
SAMPLE = resunit.data.load("cifar10-sample", image_size=16)
TRAIN, TEST = ((split.images, split.labels) for split in (SAMPLE.train, SAMPLE.test))


def small(**changes: Any) -> Recipe:
    return with_changes(named_recipe("paper"), SMALL | changes)


class Pictures(TorchDataset[tuple[Image.Image, int]]):
    """A data set as torchvision's are: Pillow images, labels and the names of the classes."""

    def __init__(self, split: Split):
        self.split = split
        self.classes = list(SAMPLE.classes)

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        image = Image.fromarray(self.split.images[index].permute(1, 2, 0).numpy())
        return image, int(self.split.labels[index])


class Net(nn.Module):
    """A small network that is none of resunit's."""

    def __init__(self, classes: int = 10):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8, momentum=0.3), nn.ReLU(), nn.Dropout(0.1)
        )
        self.head = nn.Linear(8, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean((2, 3)))


def channels_last(pair: tuple[Tensor, Tensor]) -> tuple[np.ndarray, list[int]]:
    return pair[0].permute(0, 2, 3, 1).numpy(), pair[1].tolist()


@pytest.fixture(scope="module")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "by-name"
    resunit.train(small(), out=folder, quiet=True)
    return folder


def assert_same_weights(one: Path, other: Path) -> None:
    ours, theirs = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("form", ["tensors", "arrays", "torch data sets"])
def test_own_images_train_as_the_same_images_by_name(by_name: Path, tmp_path: Path, form: str) -> None:
    data = {
        "tensors": lambda: make_dataset(TRAIN, TEST, classes=SAMPLE.classes),
        "arrays": lambda: make_dataset(channels_last(TRAIN), channels_last(TEST), classes=SAMPLE.classes),
        "torch data sets": lambda: make_dataset(Pictures(SAMPLE.train), Pictures(SAMPLE.test)),
    }[form]()
    result = resunit.train(small(), data=data, out=tmp_path / "run", quiet=True)
    assert data.classes == SAMPLE.classes
    assert result.data == "own images"
    assert_same_weights(by_name, tmp_path / "run")
    assert (tmp_path / "run" / "report.html").read_text().count("Python code gave this run its images") == 1
    classifier = resunit.load(tmp_path / "run")
    assert classifier.classes == SAMPLE.classes


def test_of_training_images_alone_some_are_held_out(tmp_path: Path) -> None:
    resunit.train(small(validation=100), out=tmp_path / "by-name", quiet=True)
    result = resunit.train(small(validation=100), data=TRAIN, out=tmp_path / "run", quiet=True)
    assert result.split == "validation"
    assert_same_weights(tmp_path / "by-name", tmp_path / "run")
    with pytest.raises(UsageError, match=r"crop.*folder"):
        resunit.train(
            small(crop="scale", padding=0, normalisation="channel"),
            data=TRAIN,
            out=tmp_path / "other",
            quiet=True,
        )
    with pytest.raises(UsageError, match=r"image_size 32 .* 16"):
        resunit.train(small(image_size=32), data=TRAIN, out=tmp_path / "other", quiet=True)
    with pytest.raises(DataError, match=r"Pictures .* make_dataset"):
        resunit.train(
            small(), data=(Pictures(SAMPLE.train), Pictures(SAMPLE.test)), out=tmp_path / "other", quiet=True
        )
    with pytest.raises(UsageError, match=r"make_dataset.*validation"):
        resunit.train(small(), data=TRAIN, out=tmp_path / "other", quiet=True)


def test_a_module_trains_as_the_network_of_the_same_name(by_name: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = resunit.create_model("resnet20", num_classes=10)
    resunit.train(small(), model=network, out=tmp_path / "run", quiet=True)
    assert_same_weights(by_name, tmp_path / "run")
    stored = load_file(tmp_path / "run" / "weights.safetensors")
    assert all(torch.equal(tensor, stored[name]) for name, tensor in network.state_dict().items())


def test_a_module_has_the_same_folder_and_report(tmp_path: Path) -> None:
    torch.manual_seed(5)
    module = Net()
    module.body[1].weight.requires_grad_(False)
    lines: list[LogLine] = []
    result = resunit.train(
        small(ema_decay=0.5, train_norm_scale=False),
        model=module,
        on_log=lines.append,
        out=tmp_path / "run",
        quiet=True,
    )
    folder = RunFolder(tmp_path / "run")
    assert {path.name for path in folder.path.iterdir()} == {
        "recipe.json", "environment.json", "log.jsonl", "checkpoints", "weights.safetensors", "result.json",
        "evaluation.json", "report.html",
    }  # fmt: skip
    assert lines == folder.read_log()
    assert len(lines) == 2
    assert (result.model, result.status) == (f"{__name__}.Net", "done")
    assert result.parameters == sum(parameter.numel() for parameter in module.parameters())
    per_image = 2 * (7 * 7 * 8 * 27 + 8 * 10)  # the convolution and the classifier, forward
    assert result.evaluation_flops == per_image * 500 * 3, "two lines of the log, and the last step's weights"
    # Neither a gradient to the images nor one to a batch norm is counted.
    assert result.train_flops == 4 * 32 * (2 * 2 * 7 * 7 * 8 * 27 + 3 * 2 * 8 * 10)
    environment = folder.read_environment()
    assert environment is not None
    assert environment.given == ("model",)
    assert "Python code gave this run its network" in folder.report.read_text()
    stored = load_file(folder.weights)
    assert all(torch.equal(tensor, stored[name]) for name, tensor in module.state_dict().items())
    norm = module.body[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert (norm.momentum, module.training) == (0.3, True)
    assert not norm.weight.requires_grad
    assert module.head.weight.requires_grad
    with pytest.raises(FileFormatError, match=r"weights .*Net"):
        resunit.load(folder.path)


def test_a_run_with_own_images_and_module_resumes_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    module, data = Net(), make_dataset(TRAIN, TEST)
    resunit.train(small(), data=data, model=deepcopy(module), out=tmp_path / "whole", quiet=True)
    train = TrainingStep.train
    for step_of_signal in (0, 2):
        folder = tmp_path / f"stopped-{step_of_signal}"
        with monkeypatch.context() as signalled:

            def train_with_signal(steps: TrainingStep, step: int, last: int = step_of_signal) -> None:
                if step == last:
                    if last == 0:
                        raise KeyboardInterrupt
                    signal.raise_signal(signal.SIGTERM)
                train(steps, step)

            signalled.setattr(TrainingStep, "train", train_with_signal)
            if step_of_signal:
                resunit.train(small(), data=data, model=deepcopy(module), out=folder, quiet=True)
            else:
                with pytest.raises(KeyboardInterrupt):
                    resunit.train(small(), data=data, model=deepcopy(module), out=folder, quiet=True)
        with pytest.raises(RunError, match=r"resunit.resume\(path, data="):
            resunit.resume(folder, quiet=True)
        with pytest.raises(RunError, match="model"):
            resunit.resume(folder, data=data, quiet=True)
        with pytest.raises(RunError, match=r"own images|data"):
            resunit.resume(folder, data=make_dataset(TEST, TRAIN), model=Net(), quiet=True)
        other_weights = Net()  # They are replaced by those of the checkpoint.
        result = resunit.resume(folder, data=data, model=other_weights, quiet=True)
        assert result.status == "done"
        assert_same_weights(tmp_path / "whole", folder)


def test_the_command_says_that_python_has_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resunit.train(small(steps=1), model=Net(), out=tmp_path / "run", quiet=True)
    (tmp_path / "run" / "result.json").unlink()
    assert "resunit.resume(path, model=...)" in refused(capsys, 1, "train", "--resume", str(tmp_path / "run"))


def test_a_run_by_name_takes_nothing_else(by_name: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.symlink_to(by_name)
    with pytest.raises(RunError, match="model"):
        resunit.resume(folder, steps=6, model=Net(), quiet=True)


class Changed(Net):
    """A network whose logits are changed, in a way that may depend on the mode."""

    def __init__(self, change: Callable[[Tensor, bool], Any]):
        super().__init__()
        self.change = change

    def forward(self, images: Tensor) -> Any:
        return self.change(super().forward(images), self.training)


class NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Tensor:  # noqa: ARG004 (torch calls it by this name)
        raise RuntimeError("of the user")


class ForSide(Net):
    """A network for images of one side, as transformers are."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[-1] == self.side, "another side"
        return super().forward(images)


class Unusable(Net):
    def __init__(self, part: Any):
        super().__init__()
        self.part = part


class WithState(nn.Module):
    def get_extra_state(self) -> dict[str, int]:
        return {"a": 1}

    def set_extra_state(self, state: Any) -> None:
        pass


@torch.inference_mode()
def with_inference_tensors() -> Net:
    return Net()


@pytest.mark.parametrize(
    ("module", "changes", "named"),
    [
        (Net(classes=3), {}, r"model .*\(2, 3\).* \(2, 10\)"),
        (nn.Linear(7, 10), {}, "model .* 16 pixels"),
        (Net().requires_grad_(False), {}, "^model "),
        (Net(), {"freeze": ("stem",)}, "^freeze .*model="),
        (Net(), {"head_learning_rate": 0.1}, "^head_learning_rate .*model="),
        (Net(), {"weights": "imagenet", "model": None}, "^weights .*model="),
        (Net().double(), {}, r"body\.0\.weight in float64, .*fp64"),
        (Net().bfloat16(), {"precision": "fp64"}, r"body\.0\.weight in bfloat16"),
        (Changed(lambda logits, _: (logits, logits)), {}, r"model gives tuple .*evaluation mode.*\(2, 10\)"),
        (
            Changed(lambda logits, trains: {"x": logits} if trains else logits),
            {},
            "model gives dict .*training mode",
        ),
        (Changed(lambda logits, _: logits.detach()), {}, "logits without a gradient"),
        (Changed(lambda logits, _: NoBackward.apply(logits)), {}, "no backward pass: of the user"),
        (
            ForSide(16),
            {"resize_scales": (0.5,), "resize_ends": (0.5,)},
            "8 pixels in training mode.*resize_scales=",
        ),
        (Unusable(Lock()), {}, "model cannot be copied"),
        (Unusable(nn.LazyLinear(10)), {}, r"part\.weight, which has no shape yet"),
        (Net().to("meta"), {}, r"body\.0\.weight, .*device meta"),
        (with_inference_tensors(), {}, r"body\.0\.weight, .*inference mode"),
        (Unusable(WithState()), {}, r"part\._extra_state, which is a dict"),
        (Net, {}, "^model must be a torch.nn.Module that was built, not Net"),
        ("resnet20", {}, "^model must be a torch.nn.Module .*not str"),
    ],
)
def test_modules_that_cannot_train_are_refused(
    module: Any, changes: dict[str, Any], named: str, tmp_path: Path
) -> None:
    is_built = isinstance(module, nn.Module)
    before = [parameter.dtype for parameter in module.parameters()] if is_built else []
    with pytest.raises(UsageError, match=named) as refusal:
        resunit.train(small(**changes), model=module, out=tmp_path / "run", quiet=True)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()
    assert before == ([parameter.dtype for parameter in module.parameters()] if is_built else [])


def test_a_module_in_float64_trains_in_fp64(tmp_path: Path) -> None:
    module = Net().double()
    result = resunit.train(small(precision="fp64"), model=module, out=tmp_path / "run", quiet=True)
    assert (result.status, module.head.weight.dtype) == ("done", torch.float64)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"recipe": "quick"}, r"^recipe must be a resunit.Recipe, not str; resunit.named_recipe"),
        ({"recipe": {"steps": 3}}, "^recipe must be .*not dict"),
        ({"on_log": 3}, "^on_log must be a function of one log line, not int"),
    ],
)
def test_arguments_of_another_kind_are_refused(arguments: dict[str, Any], named: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"recipe": small()} | arguments
    with pytest.raises(UsageError, match=named):
        resunit.train(**given, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_threads_train_one_after_the_other(by_name: Path, tmp_path: Path) -> None:
    """Random numbers belong to the process, so two runs at once would draw each other's weights."""
    folders = [tmp_path / "one", tmp_path / "other"]
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda folder: resunit.train(small(), out=folder, quiet=True), folders))
    assert [result.status for result in results] == ["done", "done"]
    for folder in folders:
        assert_same_weights(by_name, folder)


def test_images_of_python_are_asked_for_again(tmp_path: Path) -> None:
    resunit.train(
        small(steps=1), data=make_dataset(TRAIN, TEST, name="pets"), out=tmp_path / "run", quiet=True
    )
    with pytest.raises(UsageError, match=r"images that Python code gave, called 'pets'; give --data"):
        resunit.load(tmp_path / "run").load_dataset()


def test_a_run_within_a_run(by_name: Path, tmp_path: Path) -> None:
    def train(line: LogLine) -> None:
        resunit.train(small(seed=1, steps=1), out=tmp_path / f"inner-{line.step}", quiet=True)

    resunit.train(small(), out=tmp_path / "outer", on_log=train, quiet=True)
    assert_same_weights(by_name, tmp_path / "outer")


GREY = torch.arange(4 * 64, dtype=torch.uint8).view(4, 8, 8)


@pytest.mark.parametrize("images", [GREY, GREY[:, None], GREY[..., None], GREY[:, None].repeat(1, 3, 1, 1)])
def test_grey_images_get_three_equal_channels(images: Tensor) -> None:
    dataset = make_dataset((images, torch.tensor([0, 1, 1, 0])))
    assert torch.equal(dataset.train.images, GREY[:, None].repeat(1, 3, 1, 1))
    assert dataset.classes == ("0", "1")


@pytest.mark.parametrize(
    ("images", "labels", "named"),
    [
        (GREY.float() / 255, [0, 1, 1, 0], r"^train .*torch\.float32.*uint8"),
        (GREY[:, :6], [0, 1, 1, 0], r"^train .*\(4, 6, 8\)"),
        (GREY, [0, 1, 1], "^train .* 4 images .* 3 labels"),
        (GREY, [0, 1, 2, -1], "^labels .* -1 .* 2"),
        (GREY, [0, 1, 2, 3], "^labels .* 0 to 3.* 0 to 1, .* 2 classes"),
        (GREY, [0.5, 1, 2, 3], "^train labels .*float64"),
        (GREY[:0], [], "^train "),
        ("photos", [0], "^train images: str "),
        (GREY, ["a", "b", "b", "a"], "^train labels: list .*classes="),
        (GREY, [[0], [1], [1], [0]], r"^train labels .*\(4, 1\)"),
        (GREY.expand(4, 4, 8, 8), [0, 1, 1, 0], r"^train .*\(4, 4, 8, 8\)"),
        (GREY.to("meta"), [0, 1, 1, 0], "^train images: "),
    ],
)
def test_images_of_another_kind_are_refused(images: Any, labels: list[Any], named: str) -> None:
    with pytest.raises(DataError, match=named):
        make_dataset((images, labels), classes=["a", "b"])


class Items(TorchDataset[Any]):
    def __init__(self, items: list[Any]):
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([(GREY[0], 0)])


@pytest.mark.parametrize(
    ("items", "named"),
    [
        ([1, 2], r"^train: item 0 is a int; give a pair"),
        ([(GREY[0], 0), (GREY[0], 1, "path")], r"^train: item 1 is a tuple of 3; give a pair"),
        ([{"image": GREY[0], "label": 0}], r"^train: item 0 is a dict; give a pair"),
        ([(GREY[0], 0), (GREY[0, :4, :4], 1)], r"^train .* 2 "),
        ([("a.png", 0)], r"^the image of train item 0: str "),
        ([(GREY[0], "cat")], r"^the label of train item 0: str "),
        ([(GREY[0], 1.5)], r"^the label of train item 0 is .*float64; give a whole number"),
        ([(GREY[0], [0, 1])], r"^the label of train item 0 is \(2,\)"),
    ],
)
def test_items_that_are_no_image_and_label_are_refused(items: list[Any], named: str) -> None:
    with pytest.raises(DataError, match=named):
        make_dataset(Items(items))


@pytest.mark.parametrize(
    "given", [Stream(), {"image": GREY, "label": [0, 1]}, iter([(GREY[0], 0)]), DataLoader(Items([]))]
)
def test_what_has_no_numbered_items_is_refused(given: Any) -> None:
    name = type(given).__name__
    with pytest.raises(
        DataError, match=rf"^train is a {name}; give a pair \(images, labels\), or a data set"
    ):
        make_dataset(given)


def test_an_error_in_the_users_own_data_set_stays_as_it_is() -> None:
    class Broken(Items):
        def __getitem__(self, index: int) -> Any:
            raise TypeError("of the user")

    with pytest.raises(TypeError, match="of the user"):
        make_dataset(Broken([0]))


def test_a_name_is_no_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data='cifar10-sample' .*recipe's data"):
        resunit.train(small(), data="cifar10-sample", out=tmp_path / "run")  # pyright: ignore[reportArgumentType]


def read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "change",
    [
        read_only,
        lambda array: array[::-1].copy()[::-1],
        lambda array: array.astype(array.dtype.newbyteorder(">")),
        lambda array: [torch.tensor(item) for item in array] if array.ndim == 1 else array,
        lambda array: torch.tensor(array).to_sparse(),
    ],
    ids=["read-only", "backwards", "big-endian", "tensors", "sparse"],
)
def test_arrays_of_any_layout_are_taken(change: Callable[[np.ndarray], Any]) -> None:
    images, labels = GREY.numpy().copy(), np.array([0, 1, 1, 0], np.int32)
    dataset = make_dataset((change(images), change(labels)))
    assert torch.equal(dataset.train.images, GREY[:, None].repeat(1, 3, 1, 1))
    assert dataset.train.labels.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("classes", "names"),
    [(np.array(["a", "b"]), ("a", "b")), (["a", "a"], ("a (0)", "a (1)")), ((3, 5), ("3", "5"))],
)
def test_names_of_classes(classes: Any, names: tuple[str, ...]) -> None:
    assert make_dataset((GREY, [0, 1, 1, 0]), classes=classes).classes == names


@pytest.mark.parametrize("classes", ["ab", {"a": 0, "b": 1}, {0: "a", 1: "b"}])
def test_what_is_no_list_of_names_is_refused(classes: Any) -> None:
    with pytest.raises(DataError, match=rf"^classes is a {type(classes).__name__}; give a list"):
        make_dataset((GREY, [0, 1, 1, 0]), classes=classes)


def test_validation_images_are_watched() -> None:
    pair = (GREY, [0, 1, 1, 0])
    both: Dataset[Split] = make_dataset(pair, pair, pair)
    assert (both.split_name, both.watched_name) == ("test", "validation")
    one = make_dataset(pair, validation=pair)
    assert (one.split_name, one.validation) == ("validation", None)
    assert both.checksum != one.checksum


def test_a_run_is_brought_to_its_end_whatever_its_state(by_name: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, data = resunit.create_model("resnet20", num_classes=10), make_dataset(TRAIN, TEST)
    first = loop.train_or_resume(small(), tmp_path / "run", data=data, model=network, quiet=True)
    (tmp_path / "run" / "result.json").unlink()
    other = resunit.create_model("resnet20", num_classes=10)
    again = loop.train_or_resume(small(), tmp_path / "run", data=data, model=other, quiet=True)
    assert again.test_error == first.test_error
    assert_same_weights(by_name, tmp_path / "run")
