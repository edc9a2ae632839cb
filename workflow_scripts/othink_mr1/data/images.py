"""Making images fit for a prepared set: decodable, RGB, of bounded size."""

from __future__ import annotations

import io
import math
import struct
import threading
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

from othink_mr1.errors import UserError

# Larger pictures take gigabytes and are refused before decoding. Real ones have below a million pixels.
LARGEST_IMAGE = 50_000_000
LARGEST_FILE = 64 * 2**20  # bytes
# Pure pixel formats: Pillow passes some others (such as EPS) to external programs.
READ_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")  # of these
LARGEST_ASPECT = 200  # Qwen2-VL's preprocessing rejects longer pictures
KEPT_FORMATS = ("PNG", "JPEG")
# A file with more than these bytes per pixel (three 16-bit colours) plus the extra contains something else.
KEPT_BYTES_PER_PIXEL, KEPT_EXTRA_BYTES = 6, 2**20
# Pictures with more pixels are decoded one at a time; threads together would take gigabytes.
LARGE_IMAGE = 4_000_000
_LARGE_ONES = threading.Lock()

TOKEN_SIDE = 28  # pixels of a token's side: 2 x 2 patches of 14 x 14
LEAST_PIXELS = 56 * 56
# The 2B model's own limit. The small backbone's is lower and gives no more tokens.
MOST_PIXELS = 12_845_056

# EXIF orientation -> what brings the picture upright. Source: TIFF 6.0, tag 274.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow raises for damaged files, depending on format and place of the damage. AssertionError: of
# an indexed picture without its palette.
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, AssertionError),
    Image.DecompressionBombError,
)


class UnusableImage(ValueError):
    """The bytes are not a usable picture; the message is the reason."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture (PNG or JPEG, RGB, perhaps with an opaque alpha), and its sides in pixels."""

    data: bytes
    width: int
    height: int


def bounded_image(data: bytes, max_pixels: int) -> Picture:
    """The picture as PNG or JPEG whose RGB is what the model sees, with at most `max_pixels` pixels.

    A picture is turned as its EXIF orientation says. Bytes that need no change are returned as they are, also
    with an alpha channel if it is fully opaque (encoding CLEVR-like pictures again takes 20 times as long as
    decoding them). Larger pictures are shrunk with their aspect kept; transparent ones get a white
    background, as in Qwen's own preprocessing.
    UnusableImage, with a reason that is the same for all such pictures, if it is unreadable or beyond the
    limits.
    """
    if len(data) > LARGEST_FILE:
        raise UnusableImage(f"image file above {LARGEST_FILE} bytes")
    try:
        with Image.open(io.BytesIO(data), formats=READ_FORMATS) as image:
            pixels = image.width * image.height
            if pixels > LARGEST_IMAGE:
                raise UnusableImage(f"image above {LARGEST_IMAGE} pixels")
            _check_aspect(*image.size)
            with _LARGE_ONES if pixels > LARGE_IMAGE else nullcontext():
                image.load()
                turn = _turn(image)
                if (
                    image.format in KEPT_FORMATS
                    and turn is None
                    and (image.mode == "RGB" or _is_opaque(image))
                    # A PNG can declare one colour of an RGB picture transparent.
                    and "transparency" not in image.info
                    and pixels <= max_pixels
                    and len(data) <= KEPT_BYTES_PER_PIXEL * pixels + KEPT_EXTRA_BYTES
                ):
                    return Picture(data, *image.size)
                upright = image if turn is None else image.transpose(turn)
                picture = _shrunk(_as_rgb(upright), max_pixels)
    except UnusableImage:
        raise
    except Image.DecompressionBombError as error:
        raise UnusableImage(f"image above {LARGEST_IMAGE} pixels") from error
    except UNREADABLE as error:
        # Pillow says "image file is truncated" and "Truncated File Read".
        cut = "truncated" in str(error).lower()
        raise UnusableImage("truncated image" if cut else "unreadable image") from error
    # Shrinking keeps each side at least one pixel long, which can change the aspect.
    _check_aspect(*picture.size)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return Picture(stream.getvalue(), *picture.size)


def image_tokens(width: int, height: int) -> int:
    """The number of tokens of a picture of width x height pixels in Qwen2-VL, without loading transformers.

    Source: `smart_resize` in transformers' models/qwen2_vl/image_processing_qwen2_vl.py (5.23) and Qwen2-VL's
    preprocessor_config.json. The tests compare it with transformers' own.
    """
    rows, columns = round(height / TOKEN_SIDE), round(width / TOKEN_SIDE)
    if rows * columns * TOKEN_SIDE**2 > MOST_PIXELS:
        shrink = math.sqrt(height * width / MOST_PIXELS)
        rows = max(1, math.floor(height / shrink / TOKEN_SIDE))
        columns = max(1, math.floor(width / shrink / TOKEN_SIDE))
    elif rows * columns * TOKEN_SIDE**2 < LEAST_PIXELS:
        grow = math.sqrt(LEAST_PIXELS / (height * width))
        rows = math.ceil(height * grow / TOKEN_SIDE)
        columns = math.ceil(width * grow / TOKEN_SIDE)
    return rows * columns


def decoded(data: bytes) -> Image.Image:
    """A prepared picture as RGB."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def thumbnail(data: bytes, side: int, kind: str, where: str) -> bytes:
    """A prepared picture as a file of this kind, at most `side` pixels wide and high.

    UserError with `where` if it cannot be read.
    """
    try:
        image = decoded(data)
    except UNREADABLE as error:
        raise UserError(f"{where}: the image cannot be read ({error}); prepare the set again") from None
    image.thumbnail((side, side))
    stream = io.BytesIO()
    image.save(stream, kind, quality=75)  # of JPEG and WebP
    return stream.getvalue()


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings the picture upright, by its EXIF; None if it is, or if its EXIF cannot be read."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow raises whatever a broken EXIF leads to; the pixels are sound
        return None


def _is_opaque(image: Image.Image) -> bool:
    return image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255)


def _check_aspect(width: int, height: int) -> None:
    if max(width, height) > LARGEST_ASPECT * min(width, height):
        raise UnusableImage(f"image with one side over {LARGEST_ASPECT} times the other")


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(np.asarray(image)).convert("RGB")
    if image.has_transparency_data:
        # As few copies at a time as possible: each takes 200 MB for a large picture.
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        laid = Image.alpha_composite(ground, layer)
        del layer, ground
        return laid.convert("RGB")
    return image.convert("RGB")


def _eight_bits(grey: np.ndarray) -> Image.Image:
    """A grey picture of more bits, or of floats, scaled to 8 bits; Pillow's own conversion would clip.

    White is the largest value of the narrowest usual range that contains all values; black is 0, or the
    lowest value if that is negative.
    """
    if not np.isfinite(grey).all():
        raise UnusableImage("grey image with values that are no numbers")
    least, most = min(0.0, float(grey.min())), float(grey.max())
    usual = (1.0, 255.0) if grey.dtype.kind == "f" else (255.0, 4095.0, 65535.0)
    white = next((ceiling for ceiling in usual if most <= ceiling), most)
    scaled = (grey.astype(np.float64) - least) * (255 / (white - least))
    return Image.fromarray(scaled.round().astype(np.uint8))


def _shrunk(image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (width * height))
    # An extremely long picture keeps one pixel on its short side, and its long side shrinks more.
    width = min(max(1, math.floor(width * scale)), max_pixels)
    height = max(1, min(math.floor(height * scale), max_pixels // width))
    return image.resize((width, height), Image.Resampling.BICUBIC)
