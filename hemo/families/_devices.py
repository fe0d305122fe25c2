"""Where a network is trained: on which devices of this machine, and in which numbers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
"""Of the maps between layers; weights, their gradients' sums and what is predicted are float32 always."""


def devices() -> list[str]:
    """Return the graphics processors that are visible (`CUDA_VISIBLE_DEVICES`), as TensorFlow names them."""
    import tensorflow as tf

    return [f"GPU:{number}" for number, _ in enumerate(tf.config.list_logical_devices("GPU"))]


def strategy(names: Sequence[str]) -> Any:
    """Return TensorFlow's strategy for devices: on several each batch is shared among them.

    Keras 3 runs no strategy over several machines (its issue 20585).
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(names)) if len(names) > 1 else tf.distribute.get_strategy()


def precision(word: str) -> str:
    """Return the precision that `auto` means here, or the one that is named.

    Graphics processors have bfloat16 from compute capability 8.0 on, and float16 that is faster than float32
    from 7.0 on (NVIDIA, CUDA C++ Programming Guide). Elsewhere it is float32: on a processor with
    instructions for bfloat16 (AVX-512) a step of EfficientNet-Lite0 took 1.4 times as long in it.
    """
    import tensorflow as tf

    if word != "auto":
        return word
    found = [
        tf.config.experimental.get_device_details(device).get("compute_capability", (0, 0))
        for device in tf.config.list_physical_devices("GPU")
    ]
    oldest = min(found, default=(0, 0))
    return "bfloat16" if oldest >= (8, 0) else "float16" if oldest >= (7, 0) else "float32"


@contextmanager
def layers_in(word: str) -> Iterator[None]:
    """Let layers that are made meanwhile compute in a precision."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(word if word == "float32" else f"mixed_{word}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
