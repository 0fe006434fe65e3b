"""Bad files are skipped with a count, or stop at once with one line: a row a case."""

import dataclasses
import io
import json
import os
import re
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from tfp_realnvp import data
from tfp_realnvp.training.configuration import Configuration, Preset
from tfp_realnvp.training.run_folder import RunFolder

random = np.random.default_rng(0)


def image(height=4, width=4, format="png", mode="RGB", **options):
    """The bytes of an image file."""
    pixels = random.integers(0, 256, (height, width, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, format, **options)
    return file.getvalue()


def sixteen_bits():
    file = io.BytesIO()
    Image.fromarray(random.integers(0, 2**16, (4, 4)).astype(np.uint16)).save(file, "png")
    return file.getvalue()


def animated(format):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    file = io.BytesIO()
    frames[0].save(file, format, save_all=True, append_images=frames[1:])
    return file.getvalue()


def a_folder(*others):
    """Makes a folder of two good images, and of others given by their bytes or by what makes them."""

    def make(tmp_path):
        folder = tmp_path / "photos"
        contents = {"1.png": GOOD, "2.png": GOOD, **dict(others)}
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content(path) if callable(content) else path.write_bytes(content)
        return folder

    return make


def a_folder_with_only(*files):
    def make(tmp_path):
        folder = a_folder(*files)(tmp_path)
        for name in ("1.png", "2.png"):
            (folder / name).unlink()
        return folder

    return make


def a_file(name, content):
    def make(tmp_path):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return make


def an_npy(array):
    def make(tmp_path):
        np.save(tmp_path / "bad.npy", array)
        return tmp_path / "bad.npy"

    return make


def an_npz(**arrays):
    def make(tmp_path):
        np.savez(tmp_path / "bad.npz", **arrays)
        return tmp_path / "bad.npz"

    return make


def a_configuration(without=(), **changes):
    """Makes a `config.json` that is right but for some of its values."""

    def make(tmp_path):
        record = dataclasses.asdict(Configuration(event_shape=(8, 8, 1), num_levels=17, num_conditions=None))
        record = {name: value for name, value in {**record, **changes}.items() if name not in without}
        (tmp_path / "config.json").write_text(json.dumps(record))
        return tmp_path / "config.json"

    return make


def beginning(make, share):
    """Makes a file, and cuts off its end."""

    def cut(tmp_path):
        path = make(tmp_path)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        return path

    return cut


def a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("1.png", GOOD)
    return tmp_path / "photos.zip"


def a_tar(tmp_path):
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("1.png"))
    return tmp_path / "photos.tar.gz"


def pictures_in_npz(tmp_path):
    return a_zip(tmp_path).rename(tmp_path / "bad.npz")


def too_large(tmp_path):
    """A header of an array that no memory holds, and nothing after it."""
    with open(tmp_path / "bad.npy", "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (2**40, 32, 32)}
        np.lib.format.write_array_header_1_0(file, header)
    return tmp_path / "bad.npy"


def loop(path):
    path.symlink_to(path.parent, target_is_directory=True)


def load_folder(path, **options):
    """The number of images that can be read."""
    loaded = data.load("folder", str(path), **options)
    return sum(len(list(split.as_numpy_iterator())) for split in (loaded.train, loaded.test))


def at_eight_pixels(path):
    return load_folder(path, image_size=8)


def load_array(path):
    loaded = data.load("array", str(path))
    return loaded.num_train + loaded.num_test


def train_conditional(path):
    Preset(conditional=True).for_images(data.load("array", str(path)), data_dir=str(path))


def results(path):
    RunFolder(path.parent).results()


def history(path):
    RunFolder(path.parent).history()


GOOD = image()
PIXELS = random.integers(0, 256, (20, 4, 4, 3)).astype(np.uint8)
CLASSES = np.arange(20) % 3
MISSING = FileNotFoundError
ARRAY = r"bad.npy` must hold "
UNREADABLE = r"bad.np[yz]` cannot be read \(arrays of Python objects never are.*"

# What makes the input, what reads it, and either how many images are kept and what a warning says, or an error.
CASES = {
    "folder, an empty file": (a_folder(("bad.png", b"")), load_folder, 2, "Of 3 images in .*photos', skipped: 1 cannot be read as an image .'bad.png'"),
    "folder, text": (a_folder(("bad.jpg", b"no image at all, only some text of a good length")), load_folder, 2, "1 cannot.*'bad.jpg'"),
    "folder, half a PNG": (a_folder(("bad.png", image(8, 8)[:100])), load_folder, 2, "1 cannot.*'bad.png'"),
    "folder, most of a JPEG": (a_folder(("bad.jpg", image(64, 64, "jpeg")[:-200])), load_folder, 2, "1 cannot.*'bad.jpg'"),
    "folder, half a GIF": (a_folder(("bad.gif", image(8, 8, "gif")[:100])), load_folder, 2, "1 cannot.*'bad.gif'"),
    "folder, half a BMP": (a_folder(("bad.bmp", image(8, 8, "bmp")[:100])), load_folder, 2, "1 cannot.*'bad.bmp'"),
    "folder, a changed byte": (a_folder(("bad.png", GOOD[:45] + bytes([GOOD[45] ^ 255]) + GOOD[46:])), load_folder, 2, "1 cannot.*'bad.png'"),
    "folder, TIFF under another ending": (a_folder(("bad.png", image(format="tiff"))), load_folder, 2, "1 cannot.*'bad.png'"),
    "folder, BMP of one bit": (a_folder(("bad.bmp", image(format="bmp", mode="1"))), load_folder, 2, "1 cannot.*'bad.bmp'"),
    "folder, a link to nothing": (a_folder(("bad.png", lambda path: path.symlink_to("nothing"))), load_folder, 2, "1 cannot.*'bad.png'"),
    "folder, a link to itself": (a_folder(("bad.png", lambda path: path.symlink_to(path))), load_folder, 2, "1 cannot.*'bad.png'"),
    "folder, several bad ones": (a_folder(*((f"{i}.gif", b"") for i in range(3, 8))), load_folder, 2, "Of 7 .* 5 cannot.*'3.gif', '4.gif', '5.gif' and 2 more"),
    "folder, a class without a good one": (a_folder_with_only(*((f"a/{i}.png", GOOD) for i in range(3)), ("b/bad.png", b"")), load_folder, 3, "1 cannot.*'b/bad.png'"),
    "folder, a tiny one": (a_folder(("bad.png", image(1, 1))), load_folder, 2, "1 smaller than 4 x 4 .'bad.png'"),
    "folder, a narrow one": (a_folder(("bad.png", image(9, 3))), load_folder, 2, "1 smaller than 4 x 4 .'bad.png'"),
    "folder, smaller than asked for": (a_folder(("3.png", image(8, 9)), ("4.png", image(8, 8)), ("bad.png", b"")), at_eight_pixels, 2, "1 cannot.*bad.png.*; 2 smaller than 8 x 8 .'1.png', '2.png'"),
    "folder, hidden files": (a_folder((".DS_Store", b"x"), ("._1.png", b"x"), (".cache/1.png", b"x"), ("__MACOSX/._2.png", b"x")), load_folder, 2, None),
    "folder, another kind of file": (a_folder(("notes.txt", b"x"), ("Thumbs.db", b"x")), load_folder, 2, None),
    "folder, a loop of links": (a_folder(("loop", loop), ("loop.png", loop)), load_folder, 2, None),
    "folder, a pipe": (a_folder(("pipe.png", os.mkfifo)), load_folder, 2, None),
    "folder, odd names": (a_folder((" a b .png", GOOD), ("ü漢.png", GOOD), ("new\nline.png", GOOD), ("100%s.PNG", GOOD), (os.fsdecode(b"\xff.png"), GOOD)), load_folder, 7, None),
    "folder, odd names of bad ones": (a_folder(("new\nline.png", b""), (os.fsdecode(b"\xff%d.png"), b"")), load_folder, 2, r"2 cannot.*'new\\nline.png', '\\udcff%d.png'"),
    "folder, wrong sizes": (a_folder(("3.png", image(5, 4)), ("4.png", image(40, 7))), load_folder, 4, None),
    "folder, grey": (a_folder(("3.png", image(mode="L"))), load_folder, 3, None),
    "folder, RGBA": (a_folder(("3.png", image(mode="RGBA"))), load_folder, 3, None),
    "folder, 16 bits": (a_folder(("3.png", sixteen_bits())), load_folder, 3, None),
    "folder, animated": (a_folder(("3.gif", animated("gif")), ("4.png", animated("png"))), load_folder, 4, None),
    "folder, empty": (a_folder_with_only(), load_folder, MISSING, "at least two images.*photos' with 0.$"),
    "folder, one good image": (a_folder_with_only(("1.gif", image(format="gif")), ("bad.png", b"")), load_folder, MISSING, "with 1, and 1 cannot be read.*bad.png"),
    "folder, no good image": (a_folder_with_only(("a.png", b""), ("b.png", b"")), load_folder, MISSING, "with 0, and 2 cannot be read"),
    "folder, all too small": (a_folder(), at_eight_pixels, MISSING, "with 0, and 2 smaller than 8 x 8 .'1.png', '2.png'"),
    "folder, the first one tiny": (a_folder(("0.png", image(1, 6))), load_folder, ValueError, "photos/0.png' is the first image.*got 1 x 6.*`image_size`"),
    "folder, not there": (lambda tmp_path: tmp_path / "nothing", load_folder, MISSING, "`data_dir` must be a folder.*there is none at .*nothing'"),
    "folder, a ZIP archive": (a_zip, load_folder, NotADirectoryError, "photos.zip' is a file. If it is an archive, unpack it first"),
    "folder, a tar archive": (a_tar, load_folder, NotADirectoryError, "photos.tar.gz' is a file. If it is an archive, unpack it first"),
    "folder, a single image": (a_file("1.png", GOOD), load_folder, NotADirectoryError, "`data_dir` must be a folder of images; .*1.png' is a file"),
    "array, not there": (lambda tmp_path: tmp_path / "bad.npy", load_array, MISSING, "`data_dir` must name an .npy or .npz file.*bad.npy', which is no file"),
    "array, a folder": (a_folder(), load_array, MISSING, "photos', which is no file"),
    "array, empty file": (a_file("bad.npy", b""), load_array, ValueError, "bad.npy` is neither an .npy nor an .npz file"),
    "array, text": (a_file("bad.npy", b"1, 2, 3"), load_array, ValueError, "bad.npy` is neither an .npy nor an .npz file"),
    "array, an image": (a_file("bad.png", GOOD), load_array, ValueError, "bad.png` is neither an .npy nor an .npz file"),
    "array, pictures in an archive": (pictures_in_npz, load_array, ValueError, "`1.png` of `.*bad.npz` must be an array"),
    "array, half an .npy": (beginning(an_npy(PIXELS), 0.5), load_array, ValueError, UNREADABLE + "Failed to read all data"),
    "array, half a header": (beginning(an_npy(PIXELS), 0.05), load_array, ValueError, UNREADABLE + "EOF"),
    "array, half an .npz": (beginning(an_npz(x=PIXELS), 0.5), load_array, ValueError, UNREADABLE + "not a zip file"),
    "array, more than there is memory": (too_large, load_array, ValueError, UNREADABLE),
    "array, objects": (an_npy(np.array([{}, {}], object)), load_array, ValueError, UNREADABLE + "Object arrays cannot be loaded"),
    "array, objects in an .npz": (an_npz(x=np.array([{}, {}], object)), load_array, ValueError, "`x` of `.*" + UNREADABLE + "Object arrays"),
    "array, objects as classes": (an_npz(x=PIXELS, y=np.array(["a"] * 20, object)), load_array, ValueError, "`y` of `.*" + UNREADABLE + "Object arrays"),
    "array, nothing in it": (an_npz(), load_array, ValueError, r"must hold `x`, or `x_train` and `x_test`; it holds \[\]"),
    "array, other names": (an_npz(images=PIXELS, labels=CLASSES), load_array, ValueError, r"must hold `x`.*\['images', 'labels'\]"),
    "array, many names": (an_npz(**{f"image{i}": PIXELS[i] for i in range(12)}), load_array, ValueError, r"must hold `x`.*'image7'\] \(12 in all\)"),
    "array, from 0 to 1": (an_npy(PIXELS / 255), load_array, ValueError, ARRAY + r"integers from 0 to 255; got float64 from 0.0 to 1.0"),
    "array, NaN": (an_npy(np.full((20, 4, 4), np.nan)), load_array, ValueError, ARRAY + "integers.*got float64 from nan to nan"),
    "array, bools": (an_npy(PIXELS > 99), load_array, ValueError, ARRAY + "integers.*got bool from False to True"),
    "array, complex": (an_npy(PIXELS + 1j), load_array, ValueError, ARRAY + "integers.*got complex128"),
    "array, strings": (an_npy(PIXELS.astype(str)), load_array, ValueError, ARRAY + "integers.*got <U3"),
    "array, dates": (an_npy(PIXELS.astype("datetime64[s]")), load_array, ValueError, ARRAY + r"integers.*got datetime64\[s\]"),
    "array, negative": (an_npy(PIXELS.astype(int) - 1), load_array, ValueError, ARRAY + "integers.*got int64 from -1 to 254"),
    "array, above 255": (an_npy(PIXELS.astype(int) + 1), load_array, ValueError, ARRAY + "integers.*got int64 from 1 to 256"),
    "array, huge": (an_npy(np.full((20, 4, 4), 2**64 - 1, np.uint64)), load_array, ValueError, ARRAY + "integers.*got uint64"),
    "array, a number": (an_npy(np.int64(3)), load_array, ValueError, ARRAY + r"images \[n, height, width, channels\]; got shape \(\)"),
    "array, rank 2": (an_npy(PIXELS[0, 0]), load_array, ValueError, ARRAY + r"images.*got shape \(4, 3\)"),
    "array, rank 5": (an_npy(PIXELS[None]), load_array, ValueError, ARRAY + r"images.*got shape \(1, 20, 4, 4, 3\)"),
    "array, no image": (an_npy(PIXELS[:0]), load_array, ValueError, ARRAY + r"images.*got shape \(0, 4, 4, 3\)"),
    "array, no rows": (an_npy(PIXELS[:, :0]), load_array, ValueError, ARRAY + r"images.*got shape \(20, 0, 4, 3\)"),
    "array, no channels": (an_npy(PIXELS[..., :0]), load_array, ValueError, ARRAY + r"images.*got shape \(20, 4, 4, 0\)"),
    "array, five channels": (an_npy(np.zeros((20, 4, 4, 5), int)), load_array, 20, None),
    "array, a single image": (an_npy(PIXELS[:1]), load_array, ValueError, ARRAY + "at least two images; got 1"),
    "array, an empty split": (an_npz(x_train=PIXELS, x_test=PIXELS[:0]), load_array, ValueError, r"`x_test` of `.*bad.npz` must hold images"),
    "array, bad second split": (an_npz(x_train=PIXELS, x_test=PIXELS / 255), load_array, ValueError, r"`x_test` of `.*bad.npz` must hold integers"),
    "array, splits of two sizes": (an_npz(x_train=PIXELS, x_test=PIXELS[:, :2]), load_array, ValueError, r"`x_train` and `x_test` of .*one size; got \[\(4, 4, 3\), \(2, 4, 3\)\]"),
    "array, classes of one split": (an_npz(x_train=PIXELS, x_test=PIXELS, y_train=CLASSES), load_array, ValueError, "must hold both `y_train` and `y_test`, or none"),
    "array, too few classes": (an_npz(x=PIXELS, y=CLASSES[:-1]), load_array, ValueError, r"`y` of `.*each of 20 images; got shape \(19,\)"),
    "array, one-hot": (an_npz(x=PIXELS, y=np.eye(3, dtype=int)[CLASSES]), load_array, ValueError, r"`y` of `.*not one-hot.*got shape \(20, 3\)"),
    "array, classes as floats": (an_npz(x=PIXELS, y=CLASSES + 0.5), load_array, ValueError, "`y` of `.*classes, integers.*got float64 from 0.5 to 2.5"),
    "array, classes as names": (an_npz(x=PIXELS, y=CLASSES.astype("U1")), load_array, ValueError, "`y` of `.*classes, integers.*got <U1"),
    "array, NaN as classes": (an_npz(x=PIXELS, y=np.full(20, np.nan)), load_array, ValueError, "`y` of `.*classes, integers.*got float64 from nan to nan"),
    "array, negative classes": (an_npz(x=PIXELS, y=CLASSES - 1), load_array, ValueError, "`y` of `.*classes, integers from 0.*got int64 from -1 to 1"),
    "array, classes out of range": (an_npz(x=PIXELS, y=CLASSES + 2**40), load_array, ValueError, "`y` of `.*less than the 20 images; got int64 from 1099511627776"),
    "array, second classes out of range": (an_npz(x_train=PIXELS, x_test=PIXELS, y_train=CLASSES, y_test=CLASSES + 38), load_array, ValueError, "`y_test` of `.*less than the 40 images"),
    "array, no classes": (an_npz(x=PIXELS), train_conditional, ValueError, "`conditional` needs images with classes or attributes; those of .*bad.npz' have none"),
    "configuration, not there": (lambda tmp_path: tmp_path / "config.json", Configuration.read, MISSING, "config.json"),
    "configuration, empty": (a_file("config.json", b""), Configuration.read, ValueError, "config.json` must hold a JSON object; it is not JSON"),
    "configuration, not JSON": (a_file("config.json", b"dataset: digits\n"), Configuration.read, ValueError, "must hold a JSON object; it is not JSON"),
    "configuration, half of it": (beginning(a_configuration(), 0.5), Configuration.read, ValueError, "must hold a JSON object; it is not JSON"),
    "configuration, an image": (a_file("config.json", GOOD), Configuration.read, ValueError, "must hold a JSON object; it is not JSON"),
    "configuration, deep": (a_file("config.json", b"[" * 100_000), Configuration.read, ValueError, "must hold a JSON object; it is not JSON"),
    "configuration, a list": (a_file("config.json", b"[1, 2]"), Configuration.read, ValueError, "must hold a JSON object; got list"),
    "configuration, null": (a_file("config.json", b"null"), Configuration.read, ValueError, "must hold a JSON object; got NoneType"),
    "configuration, unknown name": (a_configuration(depth=3), Configuration.read, ValueError, r"has unknown \['depth'\]"),
    "configuration, missing name": (a_configuration(without=("num_levels", "num_conditions")), Configuration.read, ValueError, r"lacks \['num_conditions', 'num_levels'\]"),
    "configuration, a string for an integer": (a_configuration(batch_size="64"), Configuration.read, ValueError, "config.json` is no .*`batch_size` must be an integer; got '64'"),
    "configuration, a float for an integer": (a_configuration(num_scales=2.5), Configuration.read, ValueError, "`num_scales` must be an integer or None; got 2.5"),
    "configuration, a bool for an integer": (a_configuration(epochs=True), Configuration.read, ValueError, "`epochs` must be an integer; got True"),
    "configuration, an integer for a bool": (a_configuration(flip=1), Configuration.read, ValueError, "`flip` must be a Python bool; got 1"),
    "configuration, null for a float": (a_configuration(l2=None), Configuration.read, ValueError, "`l2` must be a number; got None"),
    "configuration, a list for a string": (a_configuration(data_dir=["a"]), Configuration.read, ValueError, r"`data_dir` must be a string or None; got \['a'\]"),
    "configuration, number for a shape": (a_configuration(event_shape=3), Configuration.read, ValueError, "`event_shape` must be a tuple; got 3"),
    "configuration, strings in a shape": (a_configuration(event_shape=["8", 8, 1]), Configuration.read, ValueError, "`event_shape` of `.*positive integer; got"),
    "configuration, 0 in a shape": (a_configuration(event_shape=[8, 0, 1]), Configuration.read, ValueError, "`event_shape` of `.*positive integer; got"),
    "configuration, unknown data": (a_configuration(dataset="mnist"), Configuration.read, ValueError, "`dataset` must be one of .*digits.*; got 'mnist'"),
    "results, half of them": (a_file("results.json", b'{"steps": 3, "bits'), results, ValueError, "results.json` must hold a JSON object; it is not JSON"),
    "results, a number": (a_file("results.json", b"3"), results, ValueError, "results.json` must hold a JSON object; got int"),
    "history, a word": (a_file("history.csv", b"epoch,loss\n0,low\n"), history, ValueError, "history.csv` must hold a number in each place: .*'low'"),
    "history, half a row": (a_file("history.csv", b"epoch,loss\n0,3.5\n1\n"), history, ValueError, "history.csv` must hold a number in each place"),
    "history, a long row": (a_file("history.csv", b"epoch,loss\n0,3.5,7\n"), history, ValueError, "history.csv` must hold a number in each place"),
    "history, an image": (a_file("history.csv", GOOD), history, ValueError, "history.csv` must hold a number in each place"),
}  # fmt: skip


@pytest.mark.parametrize("make, read, outcome, match", CASES.values(), ids=CASES.keys())
def test_bad_input(make, read, outcome, match, tmp_path, caplog):
    path = make(tmp_path)
    if isinstance(outcome, int):
        assert read(path) == outcome
        warnings = [record.getMessage() for record in caplog.records]
        assert len(warnings) == (match is not None)
        for warning in warnings:
            assert re.search(match, warning)
            assert_is_a_line_about(warning, path)
        return
    with pytest.raises(outcome, match=match) as caught:
        read(path)
    assert_is_a_line_about(str(caught.value), path)
    assert not caplog.records


def assert_is_a_line_about(message, path):
    assert len(message.splitlines()) == 1
    assert path.name in message
