"""Pictures on their way into a prepared set: what is kept, changed and refused; and their tokens."""

import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image
from raw_sets import picture, saved

from othink_mr1.data import images
from othink_mr1.data.images import Picture, UnusableImage, bounded_image, decoded, image_tokens, thumbnail
from othink_mr1.errors import UserError
from othink_mr1.report.items import TaskItems, pictures
from tiny import EXAMPLES


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_fitting_pictures_keep_their_bytes(form):
    data = picture((40, 30), form=form)
    assert bounded_image(data, 1200) == Picture(data, 40, 30)
    assert bounded_image(data, 1199).data != data


def test_an_unreadable_picture_is_named_where_it_would_be_shown():
    """Also where it is cut off in the middle."""
    for data in (b"no picture", picture((400, 300), form="JPEG")[:900]):
        with pytest.raises(UserError, match="here: the image cannot be read"):
            thumbnail(data, 96, "JPEG", "here")
        with pytest.raises(UserError, match=r"counting item \w+: the image cannot be read"):
            pictures([TaskItems("counting", [replace(EXAMPLES[0], image=data)], [])])


def test_an_opaque_alpha_channel_stays_and_a_transparent_spot_does_not():
    image = Image.new("RGBA", (40, 30), (200, 100, 50, 255))
    opaque = saved(image)
    assert bounded_image(opaque, 1200).data == opaque
    assert decoded(opaque).getpixel((0, 0)) == (200, 100, 50)
    image.putpixel((3, 3), (200, 100, 50, 0))
    bounded = bounded_image(saved(image), 1200).data
    assert bounded != saved(image)
    assert decoded(bounded).getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("size", "max_pixels"), [((400, 100), 10_000), ((30, 4000), 1000), ((1, 99), 9), ((7, 7), 1)]
)
def test_large_pictures_are_shrunk_with_their_aspect(size, max_pixels):
    bounded = bounded_image(picture(size), max_pixels)
    width, height = decoded(bounded.data).size
    assert (bounded.width, bounded.height) == (width, height)
    assert width * height <= max_pixels
    if size == (400, 100):
        assert (width, height) == (200, 50)


def test_a_picture_too_long_for_the_model_is_unusable():
    assert decoded(bounded_image(picture((5, 1000)), 10_000).data).size == (5, 1000)
    with pytest.raises(UnusableImage, match="over 200 times"):
        bounded_image(picture((5, 1001)), 10_000)
    # 2 x 408 pixels when it is shrunk.
    with pytest.raises(UnusableImage, match="over 200 times"):
        bounded_image(picture((30, 5000)), 1000)


def test_only_formats_that_are_pixels_are_read(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "page.eps")
    with pytest.raises(UnusableImage):
        bounded_image((tmp_path / "page.eps").read_bytes(), 1000)


def test_shrunk_sides_are_rounded_down():
    assert decoded(bounded_image(picture((100, 90)), 1000).data).size == (33, 30)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 200, 200),
        ("1", 1, 255),
        ("P", 0, 0),
        ("LA", (0, 0), 255),  # transparent: white shows
        ("RGBA", (0, 0, 0, 0), 255),
        ("RGBA", (0, 0, 0, 51), 204),
        ("I;16", 200 * 257, 200),
    ],
)
def test_odd_modes_become_rgb(mode, colour, expected):
    data = bounded_image(picture(mode=mode, colour=colour), 1000).data
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        assert image.getpixel((0, 0)) == (expected,) * 3


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.uint16, [0, 32768, 65535], [0, 128, 255]),
        (np.uint16, [0, 1000, 4095], [0, 62, 255]),
        (np.uint16, [0, 100, 255], [0, 100, 255]),
        (np.int32, [0, 2**30, 2**31 - 1], [0, 128, 255]),
        (np.int32, [-100, 0, 155], [0, 72, 183]),
        (np.float32, [0.0, 0.25, 1.0], [0, 64, 255]),
        (np.float32, [0.0, 100.0, 255.0], [0, 100, 255]),
        (np.float32, [0.0, 5e4, 1e5], [0, 128, 255]),
    ],
)
def test_grey_of_more_bits_is_scaled_not_cut_off(dtype, values, expected):
    stream = io.BytesIO()
    Image.fromarray(np.array([values] * 3, dtype)).save(stream, "TIFF")
    shown = decoded(bounded_image(stream.getvalue(), 1000).data)
    assert [shown.getpixel((x, 1))[0] for x in range(3)] == expected


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_grey_that_is_no_number_is_unusable(value):
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), value, np.float32)).save(stream, "TIFF")
    with pytest.raises(UnusableImage, match="values that are no numbers"):
        bounded_image(stream.getvalue(), 1000)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(form, orientation):
    """A portrait that the camera kept lying down, or mirrored."""
    upright = Image.new("RGB", (40, 60), "white")
    upright.paste("red", (0, 0, 20, 30))
    upright.paste("blue", (20, 0, 40, 30))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    kept = upright.transpose(back[orientation]) if orientation in back else upright
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stream = io.BytesIO()
    kept.save(stream, form, exif=exif)
    bounded = bounded_image(stream.getvalue(), 10_000)
    assert (bounded.width, bounded.height) == (40, 60)
    assert (bounded.data == stream.getvalue()) == (orientation == 1 and form in ("JPEG", "PNG"))
    shown = decoded(bounded.data)
    red, blue = shown.getpixel((8, 12)), shown.getpixel((32, 12))
    assert (red[0] > 200 > red[2], blue[2] > 200 > blue[0]) == (True, True)


def test_a_broken_exif_is_no_broken_picture():
    """Cameras and editors write many; only the orientation matters, if it can be read."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.XResolution] = 72.5
    lying = saved(Image.new("RGB", (60, 40), "red"), "JPEG", exif=exif)
    tag = exif.tobytes()
    as_float = tag.replace(b"\x01\x1a\x00\x05", b"\x01\x0f\x00\x05")  # Make, as a rational number
    assert as_float != tag
    bounded = bounded_image(lying.replace(tag, as_float), 10_000)
    assert (bounded.width, bounded.height) == (40, 60)
    broken = saved(Image.new("RGB", (60, 40), "red"), "PNG", exif=b"no exif at all")
    assert bounded_image(broken, 10_000).data == broken


def test_a_transparent_colour_of_an_rgb_picture_becomes_white():
    data = saved(Image.new("RGB", (8, 6), (1, 2, 3)), transparency=(1, 2, 3))
    assert decoded(bounded_image(data, 1000).data).getpixel((0, 0)) == (255, 255, 255)


def test_other_formats_become_png():
    data = bounded_image(picture(form="BMP"), 1000).data
    assert data.startswith(b"\x89PNG")


def test_an_indexed_picture_without_its_palette_is_unusable():
    data = picture((40, 30), mode="P", form="PNG")
    start = data.index(b"PLTE") - 4
    size = int.from_bytes(data[start : start + 4]) + 12
    with pytest.raises(UnusableImage, match="unreadable image"):
        bounded_image(data[:start] + data[start + size :], 1200)


@pytest.mark.parametrize("side", [20_000, 8_000])
def test_enormous_pictures_are_refused_before_decoding(side):
    data = bytearray(picture())
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(UnusableImage, match="image above 50000000 pixels"):
        bounded_image(bytes(data), 1000)


def test_large_files_are_refused_before_they_are_opened(monkeypatch):
    data = picture()
    monkeypatch.setattr(images, "LARGEST_FILE", len(data))
    assert bounded_image(data, 1000).data == data
    with pytest.raises(UnusableImage, match=f"^image file above {len(data)} bytes$"):
        bounded_image(data + b"!", 1000)


def test_a_file_with_more_in_it_than_a_picture_is_written_anew():
    data = picture() + bytes(2**20 + 8 * 6 * 6)
    bounded = bounded_image(data, 1000)
    assert len(bounded.data) < 1000
    assert decoded(bounded.data).tobytes() == decoded(data).tobytes()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_cut_off_pictures_are_told_from_other_bytes(form):
    data = saved(Image.effect_noise((40, 30), 90).convert("RGB"), form)
    bounded_image(data, 10_000)
    with pytest.raises(UnusableImage, match=r"^truncated image$"):
        bounded_image(data[: len(data) * 2 // 3], 10_000)
    with pytest.raises(UnusableImage, match=r"^unreadable image$"):
        bounded_image(bytes(reversed(data)), 10_000)


def test_image_tokens_are_those_of_the_processor():
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    sides = [14 * patches + more for patches in (1, 2, 3, 4) for more in (-1, 0, 1)]
    sides += [1, 2, 112, 224, 333, 480, 633, 2048, 3583, 3585, 9000]
    for width in sides:
        for height in sides:
            if max(width, height) <= 200 * min(width, height):
                rows, columns = smart_resize(height, width, max_pixels=12_845_056)
                assert image_tokens(width, height) == rows * columns / 28**2, (width, height)
    assert image_tokens(480, 320) == 17 * 11
