"""The paper's two networks, trained here and in PyTorch: the same layers, weights, slices, order and threads.

`python -m benchmarks.bench_training [--turns 5] [--batches 32,128] [--networks cnn,ann]`. PyTorch is no
requirement of hemo: `pip install torch` (2.13.0 was measured). Turns are taken within one run, and what is
said is the median of the turns' ratios: others may use the machine. PyTorch has a process of its own, idle in
hemo's turns. Beside them stand the machine's peak (a
product of two matrices of 3,072 x 3,072), what share of it each reaches, and the time of a fit before its
first step. Exits 1 where hemo takes more than `WANTED` of PyTorch's time, 2 where PyTorch is missing.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hemo import console, families
from hemo.console import out
from hemo.display.terminal import table
from hemo.families._compiled import release
from hemo.families._saved import load_arrays

SIZE: Final = 128
EPOCHS: Final = 2
"""Of a fit: what the first takes beyond the last is the fixed cost."""

PEAK: Final = 3072
"""Rows and columns of the matrices whose product is the peak."""

WANTED: Final = 0.8
LEAST_SHARE: Final = 0.5
"""Of the peak, for the convolutional network."""

REPEATS: Final = 5
"""Of an operation that is profiled."""

LEAST_SHOWN: Final = 3.0
"""Milliseconds below which an operation is not said."""

SEED: Final = 3
SAME: Final = 1e-3
"""Most that the mean loss of the first epoch may differ: sums are taken in another order."""


class Timed(NamedTuple):
    """A fit: processors' seconds before its first step; seconds, and processors', of an epoch; its loss."""

    before: float
    epoch: float
    processor: float
    loss: float


def slices(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Return noise, with a bright square in the slices of class 1."""
    rng = np.random.default_rng(0)
    truth = (np.arange(count) % 2).astype(np.int8)
    images = rng.normal(90, 40, (count, SIZE, SIZE, 1))
    images[truth == 1, 30:60, 30:60] += 40
    return images.clip(0, 255).astype(np.uint8), truth


def now() -> tuple[float, float]:
    """Return the clock's seconds and this process's of its processors."""
    return time.perf_counter(), time.process_time()


def timed(start: tuple[float, float], ends: list[tuple[float, float]], loss: float) -> Timed:
    """Return what the ends of epochs say."""
    epoch, processor = np.diff(ends[-2:], axis=0)[0]
    return Timed(ends[0][1] - start[1] - processor, epoch, processor, loss)


def in_hemo(name: str, batch: int, images: NDArray[np.uint8], truth: NDArray[np.int8]) -> Timed:
    """Fit a family as a fold does."""
    ends: list[tuple[float, float]] = []
    losses: list[float] = []

    def on_epoch(epoch: int, metrics: Mapping[str, float]) -> None:
        ends.append(now())
        losses.append(metrics["loss"])

    classifier = families.build(name, {"batch_size": batch, "epochs": EPOCHS}, SEED)
    start = now()
    classifier.fit(images, truth, on_epoch=on_epoch)
    return timed(start, ends, losses[0])


def initial(name: str, images: NDArray[np.uint8], truth: NDArray[np.int8]) -> Any:
    """Return the untrained network of a family, and shift and scale of its gray levels."""
    import keras

    classifier: Any = families.build(name, {}, SEED)
    keras.utils.set_random_seed(SEED)
    classifier.image_shape_ = images.shape[1:]
    classifier._prepare(images, truth)
    scaling = classifier.network_.get_layer("scaling")
    return classifier.network_, np.ravel(scaling.scale)[0], np.ravel(scaling.offset)[0]


def torch_network(name: str, arrays: list[NDArray[np.float32]]) -> Any:
    """Return the network in PyTorch, with the weights of Keras'."""
    import torch
    from torch import nn

    layers: list[Any] = [] if name == "cnn" else [nn.Flatten()]
    for number, (kernel, bias) in enumerate(zip(arrays[::2], arrays[1::2], strict=True)):
        last = number == len(arrays) // 2 - 1
        if kernel.ndim == 4:
            layers += [nn.MaxPool2d(2)] if number else []
            layer: Any = nn.Conv2d(kernel.shape[2], kernel.shape[3], 3)
            weight = kernel.transpose(3, 2, 0, 1)
            maps = kernel.shape[3]
        else:
            layer, weight = nn.Linear(*kernel.shape), kernel.T
            if name == "cnn":  # Keras flattens (height, width, maps), PyTorch (maps, height, width)
                side = int((len(kernel) / maps) ** 0.5)
                weight = kernel.reshape(side, side, maps, -1).transpose(3, 2, 0, 1).reshape(-1, len(kernel))
                layers.append(nn.Flatten())
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer] if last else [layer, nn.ReLU()]
    return nn.Sequential(*layers)


def in_torch(
    name: str,
    batch: int,
    images: NDArray[np.uint8],
    truth: NDArray[np.int8],
    given: tuple[list[NDArray[np.float32]], float, float],
    *,
    channels_last: bool = False,
) -> Timed:
    """Train the same network by plain SGD on the same batches in the same order."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as loss_of

    start = now()
    arrays, scale, offset = given
    model = torch_network(name, arrays)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.from_numpy(images[..., 0][:, None]), torch.from_numpy(truth.astype(np.float32))
    ends, losses = [], []
    for epoch in range(EPOCHS):
        # Keras looks at the first batches, and counts that as an epoch (see `_compiled.shuffled`).
        order = torch.from_numpy(np.random.default_rng([SEED, epoch + 1]).permutation(len(truth)))
        total = 0.0
        for first in range(0, len(truth), batch):
            rows = order[first : first + batch]
            optimizer.zero_grad(set_to_none=True)
            pixels = x[rows].float() * scale + offset
            loss = loss_of(model(pixels)[:, 0], y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        ends.append(now())
        losses.append(total / len(truth))
    return timed(start, ends, losses[0])


def answer(folder: Path, count: int) -> None:
    """Train in PyTorch whatever the lines of the input name, a line each: the other side of `PyTorch`."""
    import torch

    torch.set_num_threads(threads())
    images, truth = slices(count)
    for line in sys.stdin:
        name, batch, channels_last = line.split()
        arrays = load_arrays(folder / f"{name}.npz")
        given = arrays[2:], float(arrays[0]), float(arrays[1])
        found = in_torch(name, int(batch), images, truth, given, channels_last=channels_last == "True")
        print(json.dumps(found), flush=True)


class PyTorch:
    """A process that trains in PyTorch when it is asked to: two libraries' threads in one would disturb."""

    def __init__(self, folder: Path, count: int) -> None:
        command = [sys.executable, "-m", "benchmarks.bench_training", "--answer", str(folder)]
        command += ["--slices", str(count)]
        own = {**os.environ, "OMP_WAIT_POLICY": "passive"}  # threads that spin would count as work
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own
        )

    def timed(self, name: str, batch: int, channels_last: bool) -> Timed:
        """Return what a training of its own took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(name, batch, channels_last, file=self.process.stdin, flush=True)
        return Timed(*json.loads(self.process.stdout.readline()))

    def end(self) -> None:
        """End the process."""
        self.process.communicate()


def threads() -> int:
    """Return how many threads both have: one for each processor that this process may use."""
    return len(os.sched_getaffinity(0))


def operations(name: str, network: Any) -> float:
    """Return the floating-point operations of training on a slice: three products for each weight and place.

    The first layer's input has no gradient: there it is two.
    """
    products = []
    for layer in network.layers:
        if layer.weights:
            places = int(np.prod(layer.output.shape[1:-1])) if layer.output.shape[1:-1] else 1
            products.append(2.0 * places * int(np.prod(layer.kernel.shape)))
    return 3 * sum(products) - products[0]


def peak(turns: int) -> float:
    """Return the operations of a product of two matrices a second of all threads, float32, by TensorFlow.

    Of processors' seconds, as are the shares of it: what others take of the machine does not count.
    """
    import tensorflow as tf

    a = tf.random.normal((PEAK, PEAK))
    found = []
    for _ in range(turns + 1):
        start = time.process_time()
        tf.linalg.matmul(a, a).numpy()
        found.append(threads() * 2 * PEAK**3 / (time.process_time() - start))
    return float(np.median(found[1:]))


def profile(name: str, batch: int) -> list[tuple[str, ...]]:
    """Return a row for each operation of a step that counts: processors' milliseconds, share of peak.

    Each is run alone, on maps of the network's shapes: what a step takes beyond their sum is the rest's
    (rectified units, gradients' sums, updates, Python).
    """
    import tensorflow as tf

    images, truth = slices(64)
    network, _, _ = initial(name, images, truth)
    most, rows = peak(3), []

    def measured(what: str, work: float, function: Any, *given: Any) -> None:
        run = tf.function(function)
        run(*given)
        start = time.process_time()
        for _ in range(REPEATS):
            run(*given)
        seconds = (time.process_time() - start) / REPEATS
        share = f"{work * threads() / seconds / most:.2f}" if work else "-"
        rows.append((what, f"{1e3 * seconds:.1f}", share))

    for number, layer in enumerate(one for one in network.layers if one.weights or "pool" in one.name):
        x = tf.random.normal((batch, *layer.input.shape[1:]))
        y = tf.random.normal((batch, *layer.output.shape[1:]))
        title = f"{layer.name} {tuple(layer.output.shape[1:])}"
        if "pool" in layer.name:
            # Together: alone the gradient is another, slower operation.
            def both(x: Any, y: Any) -> Any:
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    pooled = tf.nn.max_pool2d(x, 2, 2, "VALID")
                return tape.gradient(pooled, x, output_gradients=y)

            measured(f"{title}, both ways", 0, both, x, y)
            continue
        kernel = tf.constant(layer.kernel)
        work = (
            2.0
            * batch
            * float(np.prod(layer.kernel.shape))
            * max(float(np.prod(layer.output.shape[1:-1])), 1)
        )
        if len(kernel.shape) == 4:
            one = {"strides": [1, 1, 1, 1], "padding": "VALID"}
            measured(f"{title}, forward", work, lambda x, k=kernel, w=one: tf.nn.conv2d(x, k, **w), x)
            measured(
                f"{title}, gradient of the kernel", work,
                lambda x, y, k=kernel, w=one: tf.raw_ops.Conv2DBackpropFilter(
                    input=x, filter_sizes=k.shape, out_backprop=y, **w
                ), x, y,
            )  # fmt: skip
            if number:
                measured(
                    f"{title}, gradient of the input", work,
                    lambda y, k=kernel, x=x, w=one: tf.raw_ops.Conv2DBackpropInput(
                        input_sizes=tf.shape(x), filter=k, out_backprop=y, **w
                    ), y,
                )  # fmt: skip
            continue
        variable = tf.Variable(kernel)
        measured(f"{title}, forward", work, lambda x, k=kernel: tf.matmul(x, k), x)
        measured(
            f"{title}, gradient of the kernel", work, lambda x, y: tf.matmul(x, y, transpose_a=True), x, y
        )
        if len(rows) > 2:
            measured(
                f"{title}, gradient of the input",
                work,
                lambda y, k=kernel: tf.matmul(y, k, transpose_b=True),
                y,
            )
        measured(f"{title}, update", 0, lambda g, v=variable: v.assign_sub(0.01 * g), kernel)
    return [row for row in rows if float(row[1]) >= LEAST_SHOWN]


def main(words: list[str]) -> int:
    """Measure and print; see the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=1024)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batches", default="32,128")
    parser.add_argument("--networks", default="cnn,ann")
    parser.add_argument("--channels-last", action="store_true", help="of PyTorch's maps")
    parser.add_argument("--profile", action="store_true", help="of a step's operations, in place of fits")
    parser.add_argument("--answer", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.answer:
        answer(Path(given.answer), given.slices)
        return 0
    if given.profile:
        for name in given.networks.split(","):
            for batch in map(int, given.batches.split(",")):
                header = ["", "ms of processors", "share of peak"]
                out.print(table(f"{name}, batch {batch}", header, profile(name, batch)))
        return 0
    if importlib.util.find_spec("torch") is None:
        console.err.print("torch: not installed: pip install torch==2.13.0, into an environment of its own")
        return 2
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads())
    images, truth = slices(given.slices)
    rows, slow = [], False
    with tempfile.TemporaryDirectory(prefix="hemo-training-") as scratch:
        other = PyTorch(Path(scratch), given.slices)
        for name in given.networks.split(","):
            network, scale, offset = initial(name, images, truth)
            np.savez(Path(scratch) / f"{name}.npz", scale, offset, *network.get_weights())
            work = operations(name, network) * given.slices
            for batch in map(int, given.batches.split(",")):
                release()
                turns = []
                for turn in range(given.turns):
                    ours = in_hemo(name, batch, images, truth)
                    theirs = other.timed(name, batch, given.channels_last)
                    turns.append((ours, theirs, peak(3)))
                    said = f"{ours.epoch:.2f} and {theirs.epoch:.2f} s an epoch, of processors "
                    said += f"{ours.processor:.2f} and {theirs.processor:.2f}"
                    console.err.print(f"{name}, batch {batch}: turn {turn + 1} of {given.turns}: {said}")
                    if not abs(ours.loss - theirs.loss) <= SAME:
                        console.err.print(f"{name}: losses {ours.loss:.5f} and {theirs.loss:.5f} differ")
                        slow = True
                row, wanted = summary(name, batch, work, turns)
                rows.append(row)
                slow = slow or not wanted
        other.end()
    header = [
        "", "batch", "hemo / PyTorch", "of processors", "share of peak", "PyTorch's", "first fit, s before",
        "next, s before", "PyTorch, s before", "peak, GFLOP/s",
    ]  # fmt: skip
    out.print(table(f"Training on {given.slices:,} slices, {threads()} threads", header, rows))
    return int(slow)


def summary(
    name: str, batch: int, work: float, turns: list[tuple[Timed, Timed, float]]
) -> tuple[tuple[str, ...], bool]:
    """Return a row of the table, and whether its figures are as wanted."""
    ratios = [ours.epoch / theirs.epoch for ours, theirs, _ in turns]
    work_ratios = [ours.processor / theirs.processor for ours, theirs, _ in turns]
    shares = [
        [work * threads() / one.processor / most for one in (ours, theirs)] for ours, theirs, most in turns
    ]
    share, others = np.median(shares, axis=0)
    before = [ours.before for ours, _, _ in turns]
    ratio = float(np.median(ratios))
    row = (
        name,
        f"{batch}",
        f"{ratio:.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        f"{np.median(work_ratios):.2f}",
        f"{share:.2f}",
        f"{others:.2f}",
        f"{before[0]:.2f}",
        f"{np.median(before[1:] or before):.2f}",
        f"{np.median([theirs.before for _, theirs, _ in turns]):.2f}",
        f"{np.median([most for *_, most in turns]) / 1e9:.0f}",
    )
    return row, ratio <= WANTED and (name != "cnn" or share >= LEAST_SHARE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
