"""Seconds from the start of a process to the end of its first training step, part by part.

python -m benchmarked.start PRESET step|gradient SECONDS_OF_THE_START
"""

import json
import statistics
import sys
import time

SHAPES = {"tiny": (8, 8, 1), "cifar10_small": (32, 32, 3), "cifar10": (32, 32, 3), "imagenet64": (64, 64, 3)}
STEPS = 5


class Laps:
    """Wall and CPU seconds between calls of `end`."""

    def __init__(self, start):
        self._last = start, 0.0
        self.seconds = {}

    def end(self, name):
        now = time.time(), time.process_time()
        self.seconds[name] = [b - a for a, b in zip(self._last, now, strict=True)]
        self._last = now


def measure(name, part, start):
    laps = Laps(start)
    import fast_start  # noqa: F401  # isort: skip
    import tensorflow as tf

    from tfp_realnvp.data import training_batches
    from tfp_realnvp.data.image_data import ImageData
    from tfp_realnvp.training.presets import PRESETS

    laps.end("import")
    preset = PRESETS[name]
    images = random_images(tf, ImageData, preset, SHAPES[name])
    batches = iter(training_batches(images, preset.batch_size, preset.conditional, preset.flip, 0))
    batch = next(batches)
    laps.end("data")
    model = preset.for_images(images, 0).build()
    laps.end("build")
    data = (batch if isinstance(batch, tuple) else (batch,),)
    function = tf.function(model.train_step if part == "step" else gradient_of(model), autograph=False)
    traced = function.get_concrete_function(*data)
    laps.end("trace")
    traced(*data)
    laps.end("first step")
    steps = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        traced(*data)
        steps.append(time.perf_counter() - begin)
    return {**laps.seconds, "step": statistics.median(steps), "variables": len(model.trainable_variables)}


def random_images(tf, image_data, preset, shape):
    """Two batches of uniform noise, with the labels that a preset needs."""
    size, levels = 2 * preset.batch_size, 17 if preset.dataset == "digits" else 256
    pixels = tf.cast(tf.random.uniform((size, *shape), 0, levels, tf.int32), tf.uint8)
    split = tf.data.Dataset.from_tensor_slices((pixels, tf.range(size, dtype=tf.int64) % 10))
    return image_data(split, split, shape, levels, num_classes=10)


def gradient_of(model):
    """A function for loss and gradient of a batch, without the rest of a training step."""
    import tensorflow as tf

    def loss_and_gradient(data):
        with tf.GradientTape() as tape:
            log_prob = model(data if len(data) > 1 else data[0], training=True)
            loss = tf.add_n([-tf.reduce_mean(log_prob), *model.losses])
        return loss, tape.gradient(loss, [v.value for v in model.trainable_variables])

    return loss_and_gradient


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
