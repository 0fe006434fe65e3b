"""Serves a page, to this computer only, for moving through the latents of a trained run.

python examples/explore.py --run=runs/digits
python examples/explore.py --run=tfp_realnvp/pretrained/cifar10_small --port=8000

Two sliders move over the manifold that four test images span (equation 19). You can redraw the finer scales
of a point, and replace one of the four by your own image. While it runs, this takes a picture of the page (as
root with --no-sandbox):

chromium --headless --window-size=1200,740 --virtual-time-budget=60000 --screenshot=explore.png http://127.0.0.1:7860
"""

import fast_start  # noqa: F401  # isort: skip

import asyncio
import base64
import io
import math
import socket

import keras
import numpy as np
import PIL.Image
import tensorflow as tf
from absl import app, flags
from nicegui import app as server
from nicegui import ui

from tfp_realnvp import data
from tfp_realnvp.analysis.exploration import Explorer
from tfp_realnvp.analysis.image_grid import drawable
from tfp_realnvp.data.files.own_image import own_image
from tfp_realnvp.training.run_folder import RunFolder
from tfp_realnvp.utils.one_line_errors import one_line_errors

flags.DEFINE_string("run", None, "Folder of a training run.", required=True)
flags.DEFINE_string("data_dir", None, "Location of the images, if it is not the one in training.")
flags.DEFINE_integer("port", 7860, "Port of the page, at 127.0.0.1.", lower_bound=1, upper_bound=65535)
flags.DEFINE_integer("num_images", 512, "Test images from which the four are chosen.", lower_bound=4)
flags.DEFINE_integer("num_draws", 6, "Draws of the finer scales to show.", lower_bound=1)
flags.DEFINE_integer(
    "seed", 0, "Seed of the choice of images, and of draws.", lower_bound=0, upper_bound=2**31 - 1
)
FLAGS = flags.FLAGS

HOST = "127.0.0.1"
MEGABYTES, MEGAPIXELS = 20, 50  # Limits for the file of an own image, and for the image in it.
NAMES = "z₁", "z₂", "z₃", "z₄"
EQUATION = "z = cos φ (cos φ' z₁ + sin φ' z₂) + sin φ (cos φ' z₃ + sin φ' z₄)"
BITS = (
    "Bits per dimension are those of each image as it is shown: its pixels clipped to the levels, rounded "
    "down to integers and dequantised with the model's fixed noise. Less is more probable."
)
TOGGLE = "no-caps padding='xs sm'"
STYLE = """
.nicegui-content {max-width: 1200px; margin: auto}
.image {image-rendering: pixelated; display: block; background: #ddd}
.q-uploader {width: 100%}
.q-uploader__list, .q-uploader__subtitle {display: none}
"""


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    keras.utils.set_random_seed(FLAGS.seed)
    run = RunFolder(FLAGS.run)
    with one_line_errors():
        check_is_free(FLAGS.port)
        config, model = run.configuration(), run.model()
        images = config.images(FLAGS.data_dir)
        x, labels = data.first_images(images, FLAGS.num_images)
        explorer = Explorer(model, images, x, labels if config.conditional else None)
    explorer.warm_up(FLAGS.num_draws)
    title = f"Latents of {run.path.resolve().name}"

    @ui.page("/", title=title, response_timeout=60)
    async def page():
        await Page(explorer, title).choose()

    at = f"The page is at http://{HOST}:{FLAGS.port}; Ctrl-C ends it."
    server.on_startup(lambda: print(at, flush=True))
    try:
        ui.run(
            host=HOST,
            port=FLAGS.port,
            show=False,
            reload=False,
            show_welcome_message=False,
            uvicorn_logging_level="critical",  # A visitor who leaves early is not an error.
        )
    except KeyboardInterrupt:
        pass


def check_is_free(port):
    """Raises an OSError if the port is in use."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise OSError(f"--port must be a free one; {port} is not: {error.strerror}.") from error


def check_number_of_pixels(content, name):
    """Raises a ValueError if an image would take too much memory, before it is decoded."""
    PIL.Image.MAX_IMAGE_PIXELS = None  # Replaces Pillow's own limit, which is higher.
    try:
        with PIL.Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except (OSError, ValueError):
        return  # `own_image` reports that it is not an image.
    if height * width > MEGAPIXELS * 1e6:
        raise ValueError(f"{name} must have at most {MEGAPIXELS} million pixels; it has {height} x {width}.")


class Page:
    """The page of one visitor, with the visitor's choices."""

    def __init__(self, explorer, title):
        self.explorer, self.data = explorer, explorer.data
        self.random = np.random.default_rng(FLAGS.seed)
        self.anchors, self.draw_number = None, 0
        self.turn = asyncio.Lock()  # Held while anchors are replaced.
        self.move = Following(self.asked_point, self.show_point)
        self.draw = Following(self.asked_draws, self.show_draws)
        ui.add_css(STYLE)
        ui.label(title).classes("text-h5")
        with ui.row(wrap=False).classes("w-full gap-8"):
            with ui.column().classes("w-64"):
                self.build_anchors()
            with ui.column().classes("w-96"):
                self.build_point()
            with ui.column().classes("grow"):
                self.build_draws()
        ui.label(BITS).classes("text-caption")

    def build_anchors(self):
        ui.label("Four test images").classes("text-h6")
        with ui.grid(columns=2).classes("gap-2"):
            self.four = [Picture(NAMES[i], 124) for i in range(4)]
        for place, picture in enumerate(self.four):
            picture.image.classes("cursor-pointer").on("click", lambda place=place: self.go_to(place))
        ui.label("A click on one of them leads to its corner of the manifold.").classes("text-caption")
        ui.button("Four others", on_click=self.choose).props("no-caps")
        with ui.row().classes("items-center"):
            ui.label("An image of yours as")
            self.place = ui.toggle(dict(enumerate(NAMES)), value=0).props(TOGGLE)
        self.uploader = ui.upload(
            label="Choose or drop it here",
            auto_upload=True,
            max_file_size=MEGABYTES * 10**6,
            on_upload=self.upload,
            on_rejected=lambda: self.say(f"The file must be an image of at most {MEGABYTES} MB.", "negative"),
        ).props("flat bordered")
        self.message = ui.label().classes("message").props("role=status")

    def build_point(self):
        ui.label("On their manifold").classes("text-h6")
        self.point = Picture("z", 384)
        ui.label(EQUATION).classes("text-caption")
        self.angles = [self.angle(name) for name in ("φ", "φ'")]
        if self.explorer.num_conditions:
            of_classes = [f"class {i}" for i in range(self.explorer.num_conditions)]
            self.under = ui.select(
                dict(enumerate(self.data.attributes or of_classes)),
                multiple=bool(self.data.attributes),
                label="Decoded under",
                on_change=self.follow,
            ).classes("w-full")

    def build_draws(self):
        scales = self.explorer.num_scales
        ui.label("Its finer scales drawn anew").classes("text-h6")
        with ui.grid(columns=3).classes("gap-2"):
            self.draws = [Picture(f"draw {i + 1}", 144) for i in range(FLAGS.num_draws)]
        with ui.row().classes("items-center"):
            ui.label("Coarsest scales that stay")
            self.kept = ui.toggle(list(range(scales + 1)), value=scales - 1, on_change=self.draw)
            self.kept.props(TOGGLE)
            ui.label(f"of {scales}")
        with ui.row(wrap=False).classes("w-full items-center"):
            text = ui.label().classes("shrink-0 w-36")
            self.temperature = ui.slider(min=0, max=1.5, step=0.05, value=1, on_change=self.draw)
            self.temperature.props('aria-label="temperature"')
            text.bind_text_from(self.temperature, "value", lambda value: f"Temperature {value:.2f}")
        ui.button("Draw anew", on_click=self.redraw).props("no-caps")

    def angle(self, name):
        """A slider for an angle, in units of π."""
        with ui.row(wrap=False).classes("w-full items-center"):
            text = ui.label().classes("shrink-0 w-20")
            slider = ui.slider(min=0, max=2, step=0.01, value=0.1, on_change=self.move)
        text.bind_text_from(slider, "value", lambda value: f"{name} = {value:.2f} π")
        slider.props(f'aria-label="{name}"')
        return slider.on("change", self.draw, throttle=0.2, leading_events=False)  # On release.

    async def choose(self):
        """Chooses another four images, and updates the page."""
        async with self.turn:
            self.anchors = await asyncio.to_thread(self.explorer.anchors, self.random)
        self.decode_under_that_of(0)
        await self.show_anchors()

    def decode_under_that_of(self, place):
        """Chooses the condition of one of the four."""
        if self.explorer.num_conditions:
            chosen = np.flatnonzero(self.anchors.conditions[place]).tolist()
            self.under.value = chosen if self.data.attributes else chosen[0]

    async def show_anchors(self):
        self.show(self.four, self.anchors.shown)
        await self.follow()

    def show(self, pictures, shown):
        for picture, *one in zip(pictures, shown.pixels, shown.bits_per_dim, strict=True):
            picture.show(*one, self.data.num_levels)

    async def follow(self):
        await self.move()
        await self.draw()

    async def go_to(self, place):
        """Moves to one of the four, under its own condition."""
        self.decode_under_that_of(place)
        for slider, is_second in zip(self.angles, divmod(place, 2), strict=True):
            slider.value = 0.5 * is_second
        await self.follow()

    async def redraw(self):
        self.draw_number += 1
        await self.draw()

    async def upload(self, event):
        place, name = self.place.value, event.file.name
        self.uploader.reset()
        content = await event.file.read()
        try:
            check_number_of_pixels(content, repr(name))
            image, changes = await asyncio.to_thread(
                own_image, content, self.data.event_shape, self.data.num_levels, repr(name)
            )
        except ValueError as error:
            return self.say(str(error), "negative")
        async with self.turn:
            self.anchors = await asyncio.to_thread(self.explorer.replaced, self.anchors, place, image)
        if self.explorer.num_conditions:
            changes.append("under the condition of the one before it")
        self.say(", ".join([f"{name!r} is {NAMES[place]} now", *changes]) + ".", "positive")
        await self.show_anchors()

    def say(self, text, colour):
        self.message.text = text
        self.message.classes(replace=f"message text-{colour}")

    def asked_point(self):
        """The four images, both angles in radians, and the condition to decode under."""
        under = self.under.value if self.explorer.num_conditions else ()
        return self.anchors, *(math.pi * slider.value for slider in self.angles), under

    def asked_draws(self):
        return *self.asked_point(), self.kept.value, self.temperature.value, self.draw_number

    async def show_point(self, anchors, phi, phi_prime, under):
        z = self.explorer.point(anchors, phi, phi_prime)
        shown = await asyncio.to_thread(self.explorer.decoded, z[None], self.explorer.condition(under))
        self.show([self.point], shown)

    async def show_draws(self, anchors, phi, phi_prime, under, kept, temperature, number):
        z = self.explorer.point(anchors, phi, phi_prime)
        seed, condition = (FLAGS.seed, number), self.explorer.condition(under)
        shown = await asyncio.to_thread(
            self.explorer.resampled, z, kept, FLAGS.num_draws, seed, temperature, condition
        )
        self.show(self.draws, shown)


class Following:
    """Does some work for the latest request, and leaves out requests that were replaced meanwhile.

    Args:
      asked: Function that returns the latest request, a tuple.
      work: Coroutine function of the items of a request.
    """

    def __init__(self, asked, work):
        self.asked, self.work = asked, work
        self.done, self.turn = None, asyncio.Lock()

    async def __call__(self):
        async with self.turn:
            if (asked := self.asked()) != self.done:
                await self.work(*asked)
                self.done = asked


class Picture:
    """An image, enlarged to a width in pixels, above its name and its bits per dimension."""

    def __init__(self, name, width):
        self.name = name
        with ui.column().classes("gap-0"):
            self.image = ui.element("img").classes("image").style(f"width: {width}px")
            self.image.props(f'alt="{name}"')
            self.caption = ui.label().classes("text-caption")

    def show(self, pixels, bits, num_levels):
        self.image.props["src"] = png(pixels, num_levels)
        self.caption.text = f"{self.name}: {bits:.3f} bits/dim"


def png(pixels, num_levels):
    """An image as a URL that contains its data."""
    grey_or_rgb = np.round(drawable(pixels) * (255 / (num_levels - 1))).astype(np.uint8)
    return f"data:image/png;base64,{base64.b64encode(tf.io.encode_png(grey_or_rgb).numpy()).decode()}"


if __name__ == "__main__":
    app.run(main)
