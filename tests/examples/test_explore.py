"""The page that explores latents, and what is behind it."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from places import EXAMPLES
from tiny_models import scaled_model, scatter

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.analysis.exploration import Explorer
from tfp_realnvp.training.configuration import Preset
from tfp_realnvp.training.run_folder import RunFolder

SCRIPT = EXAMPLES / "explore.py"
SHAPE = (8, 8, 3)
random = np.random.default_rng(0)
images = random.integers(0, 256, (24, *SHAPE)).astype(np.uint8)
classes = np.eye(3, dtype=np.float32)[np.arange(24) % 3]
nothing = tf.data.Dataset.range(0)
DATA = data.ImageData(nothing, nothing, SHAPE, num_classes=3)
ATTRIBUTES = data.ImageData(nothing, nothing, SHAPE, attributes=("Bangs", "Young", "Smiling"))


@pytest.fixture(scope="module")
def explorer():
    return Explorer(scaled_model(), DATA, images)


@pytest.fixture(scope="module")
def conditional():
    return Explorer(scaled_model(conditional=True), DATA, images, classes)


def some(explorer, seed=0):
    return explorer.anchors(np.random.default_rng(seed))


def latents(n):
    return tf.random.stateless_normal([n, *SHAPE], (0, 1))


@pytest.mark.parametrize("name", ["explorer", "conditional"])
def test_bits_are_those_of_the_integers_that_are_shown(name, request):
    explorer = request.getfixturevalue(name)
    condition = explorer.condition(1)
    z = 2 * latents(5)
    shown = explorer.decoded(z, condition)
    assert shown.pixels.dtype == np.uint8 and shown.pixels.shape == (5, *SHAPE)
    model = explorer._model
    conditions = None if condition is None else np.tile(condition, (5, 1))
    decoded = model.decode(z, conditions).numpy()
    assert decoded.min() < 0 and decoded.max() > 256  # What is outside of the levels is clipped.
    np.testing.assert_array_equal(shown.pixels, np.clip(np.floor(decoded), 0, 255))
    inputs = shown.pixels if condition is None else (shown.pixels, conditions)
    expected = rnvp.bits_per_dim(model.predict(inputs, verbose=0), SHAPE)
    np.testing.assert_allclose(shown.bits_per_dim, expected, rtol=1e-5)


@pytest.mark.parametrize("name", [pytest.param("explorer", marks=pytest.mark.slow), "conditional"])
def test_the_four_are_corners_of_their_manifold(name, request):
    explorer = request.getfixturevalue(name)
    anchors = some(explorer)
    condition = None if anchors.conditions is None else anchors.conditions[0]
    for place in range(4):
        angles = (np.pi / 2 * is_second for is_second in divmod(place, 2))
        shown = explorer.decoded(explorer.point(anchors, *angles)[None], condition)
        np.testing.assert_array_equal(shown.pixels[0], anchors.shown.pixels[place])
        np.testing.assert_allclose(shown.bits_per_dim[0], anchors.shown.bits_per_dim[place], rtol=1e-5)


def test_the_four_are_of_one_class(conditional):
    found = {some(conditional, seed).conditions[0].tobytes() for seed in range(8)}
    assert len(found) > 1
    for seed in range(8):
        anchors = some(conditional, seed)
        assert (anchors.conditions == anchors.conditions[0]).all()
        assert len({image.tobytes() for image in anchors.shown.pixels}) == 4


def test_the_four_have_attributes_of_their_own():
    conditions = random.integers(0, 2, (24, 3)).astype(np.float32)
    explorer = Explorer(scaled_model(conditional=True), ATTRIBUTES, images, conditions)
    anchors = some(explorer)
    for pixels, condition in zip(anchors.shown.pixels, anchors.conditions, strict=True):
        (number,) = np.flatnonzero((images == pixels).all(axis=(1, 2, 3)))
        np.testing.assert_array_equal(condition, conditions[number])
    np.testing.assert_array_equal(explorer.condition([0, 2]), [1, 0, 1])
    np.testing.assert_array_equal(explorer.condition([]), [0, 0, 0])


def test_there_must_be_four():
    model = scaled_model(conditional=True)
    with pytest.raises(ValueError, match="There must be four images of one class; there are 9 in all"):
        Explorer(model, DATA, images[:9], classes[:9])
    with pytest.raises(ValueError, match="There must be four images; there are 3 in all"):
        Explorer(model, DATA, images[:3])
    four = Explorer(model, DATA, images[:10], classes[:10])
    assert all((some(four, seed).conditions == classes[0]).all() for seed in range(8))


def test_another_image_takes_a_place(conditional):
    anchors = some(conditional)
    changed = conditional.replaced(anchors, 2, images[0])
    np.testing.assert_array_equal(changed.shown.pixels[2], images[0])
    np.testing.assert_array_equal(changed.shown.pixels[[0, 1, 3]], anchors.shown.pixels[[0, 1, 3]])
    np.testing.assert_allclose(changed.latents[3], anchors.latents[3], atol=1e-5)
    expected = conditional._model.encode(images[:1], anchors.conditions[2:3])[0]
    np.testing.assert_allclose(changed.latents[2], expected, atol=1e-5)


def test_resampled(explorer):
    z = latents(1)[0]
    (whole,) = explorer.decoded(z[None]).pixels
    np.testing.assert_array_equal(explorer.resampled(z, 2, 3).pixels, [whole] * 3)
    one, again, other = (explorer.resampled(z, 1, 3, seed).pixels for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.3
    assert len({image.tobytes() for image in one}) == 3
    cold = explorer.resampled(z, 0, 2, temperature=0.0).pixels
    np.testing.assert_array_equal(cold, explorer.decoded(tf.zeros([2, *SHAPE])).pixels)


def test_a_move_traces_nothing_anew(conditional):
    conditional.warm_up(6)
    model = conditional._model
    functions = *model._coder._compiled.values(), model.predict_function
    before = [function.experimental_get_tracing_count() for function in functions]
    anchors = conditional.replaced(some(conditional), 1, images[5])
    for i in range(3):
        z = conditional.point(anchors, 0.3 * i, 1.0)
        conditional.decoded(z[None], conditional.condition(i))
        conditional.resampled(z, i % 2, 6, i, 0.5 * i, conditional.condition(i))
    assert [function.experimental_get_tracing_count() for function in functions] == before


def file_of(pixels, format="png"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


def explore(run, *flags):
    """The script, started; NiceGUI would take a test's process for one of its own tests."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), f"--run={run}", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
    )


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A class-conditional run of digits that was never trained."""
    run = RunFolder(tmp_path_factory.mktemp("digits"))
    preset = Preset(num_scales=2, num_residual_blocks=0, base_filters=2, conditional=True)
    config = preset.for_images(data.load("digits"), seed=0)
    config.write(run.config_path)
    model = config.build()
    scatter(model)
    model.save(run.model_path)
    return run.path


@pytest.fixture
def address(digits):
    """Where the page of the run is served; ended by Ctrl-C, which is to be quiet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = explore(digits, f"--port={port}", "--num_images=100", "--num_draws=4")
    line = process.stdout.readline()
    assert line == f"The page is at http://127.0.0.1:{port}; Ctrl-C ends it.\n", process.communicate()[1]
    wait_until_it_listens(port)
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, printed) == (0, "")
    assert "Traceback" not in errors and "Exception" not in errors, errors


def wait_until_it_listens(port):
    for _ in range(300):
        with socket.socket() as visitor:
            if visitor.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


@pytest.fixture
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and chromedriver):
        pytest.skip("there is no chromium with chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1200,900"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


FOUR = "z₁", "z₂", "z₃", "z₄"
DRAWS = tuple(f"draw {i + 1}" for i in range(4))
PAGE_UP = "\ue00e"


class Visit:
    """A page in a browser, as a visitor sees and uses it."""

    def __init__(self, driver, address):
        from selenium.webdriver.support.wait import WebDriverWait

        self.driver, self.wait = driver, WebDriverWait(driver, 120).until
        driver.get(address)

    def find(self, selector):
        return self.driver.find_elements("css selector", selector)

    def shown(self, name):
        """The picture of a name, and what stands below it, once they are there."""
        script = """
            const image = document.querySelector(`img[alt="${arguments[0]}"]`);
            const is_there = image && image.complete && image.naturalWidth;
            return is_there && [image.src, image.nextSibling.textContent];
        """
        return self.wait(lambda driver: driver.execute_script(script, name))

    def everything(self):
        """All pictures by their names."""
        return {name: self.shown(name) for name in (*FOUR, "z", *DRAWS)}

    def until_changed(self, before, *names):
        """All pictures, once those of these names are others than before."""
        self.wait(lambda _: all(self.shown(name) != before[name] for name in names))
        return self.everything()

    def press(self, text):
        (button,) = (button for button in self.find("button") if button.text == text)
        button.click()

    def upload(self, path, content):
        """Uploads a file; what the page says of it."""
        path.write_bytes(content)
        (message,) = self.find(".message")
        before = message.text
        self.find("input[type=file]")[0].send_keys(str(path))
        self.wait(lambda _: message.text not in (before, ""))
        return message.text


@pytest.mark.slow
def test_the_page(browser, address, tmp_path):
    with pytest.raises(ConnectionRefusedError):  # It is at this address only.
        socket.create_connection(("127.0.0.2", urllib.parse.urlparse(address).port))
    visit = Visit(browser, address)
    start = now = visit.everything()
    assert all(f"{name}: " in text and text.endswith(" bits/dim") for name, (_, text) in now.items())

    # A move changes image and bits; draws follow when the slider is let go.
    for angle in ("φ", "φ'"):
        visit.find(f'[aria-label="{angle}"] [tabindex]')[0].send_keys(PAGE_UP)
        before, now = now, visit.until_changed(now, "z", *DRAWS)
        assert now["z"][0] != before["z"][0] and now["z"][1] != before["z"][1]
        assert all(now[name] == before[name] for name in FOUR)

    visit.press("Draw anew")
    before, now = now, visit.until_changed(now, *DRAWS)
    assert all(now[name] == before[name] for name in (*FOUR, "z"))

    # Another temperature; then no scale is drawn anew.
    visit.find("[aria-label='temperature'] [tabindex]")[0].send_keys(PAGE_UP)
    now = visit.until_changed(now, *DRAWS)
    visit.press("2")
    now = visit.until_changed(now, *DRAWS)
    assert {now[name][0] for name in DRAWS} == {now["z"][0]}
    visit.press("1")
    now = visit.until_changed(now, *DRAWS)

    # A click leads to the corner of the manifold.
    visit.find("img[alt='z₂']")[0].click()
    now = visit.until_changed(now, "z", *DRAWS)
    is_corner(now, "z₂")

    # The same latent under another class.
    visit.find(".q-select")[0].click()
    visit.wait(lambda _: len(visit.find(".q-menu .q-item")) == 10)
    others = visit.find(".q-menu .q-item:not(.q-item--active)")
    assert len(others) == 9 and others[0].text.startswith("class ")
    others[0].click()
    now = visit.until_changed(now, "z", *DRAWS)

    # A click leads back to its own class.
    visit.find("img[alt='z₂']")[0].click()
    now = visit.until_changed(now, "z", *DRAWS)
    is_corner(now, "z₂")

    # Bad files are told of, and change nothing.
    array = io.BytesIO()
    np.save(array, images)
    good = file_of(random.integers(0, 256, (20, 30, 3)).astype(np.uint8))
    bad = {"array.npy": array.getvalue(), "notes.txt": b"No image.", "cut.png": good[:-60], "empty.png": b""}
    for name, content in bad.items():
        said = visit.upload(tmp_path / name, content)
        assert said.startswith(f"'{name}' cannot be read as an image: it is no whole file of .bmp, .gif")
    said = visit.upload(tmp_path / "small.png", file_of(images[0][:4]))
    assert said.startswith("'small.png' must be at least 8 x 8 pixels")
    said = visit.upload(tmp_path / "bomb.png", file_of(np.zeros((10_000, 10_000), np.uint8)))
    assert said == "'bomb.png' must have at most 50 million pixels; it has 10000 x 10000."
    said = visit.upload(tmp_path / "large.png", bytes(20_000_001))
    assert said == "The file must be an image of at most 20 MB."
    assert visit.everything() == now

    # A good one takes its place, and the page goes on.
    visit.press("z₂")
    assert visit.upload(tmp_path / "mine.png", good) == (
        "'mine.png' is z₂ now, cropped in the middle and resized from 20 x 30 to 8 x 8 pixels, made grey, "
        "brought to 17 levels, under the condition of the one before it."
    )
    before, now = now, visit.until_changed(now, "z₂", "z", *DRAWS)
    assert all(now[name] == before[name] for name in ("z₁", "z₃", "z₄"))

    # What another visitor does changes nothing here.
    here = browser.current_window_handle
    browser.switch_to.new_window("tab")
    other = Visit(browser, address)
    assert other.everything() == start
    other.press("Four others")
    other.until_changed(start, *FOUR, "z", *DRAWS)
    browser.switch_to.window(here)
    assert visit.everything() == now

    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")] == []
    host = address.removeprefix("http:")
    urls = requested(browser)
    assert any(url.startswith(f"ws:{host}/") for url in urls)
    own = f"http:{host}/", f"ws:{host}/", "data:", "blob:"
    assert [url for url in urls if not url.startswith(own)] == []


def is_corner(shown, name):
    assert shown["z"][0] == shown[name][0]
    assert shown["z"][1].removeprefix("z") == shown[name][1].removeprefix(name)


def requested(browser):
    """The addresses that the browser asked for something."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        event["params"]["request"]["url"] if event["method"].endswith("Sent") else event["params"]["url"]
        for event in events
        if event["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated")
    ]
