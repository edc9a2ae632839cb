"""Images on their way into a prepared set: decodable, RGB, of bounded size."""

from __future__ import annotations

import io
import math
import struct

import numpy as np
from PIL import Image

# Refused before decoding: such a picture takes gigabytes of memory. Real ones have below a million pixels.
LARGEST_IMAGE = 50_000_000
# Formats that are pixels only: Pillow hands others (EPS, for one) to programs of the system.
READ_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
LARGEST_ASPECT = 200  # Qwen2-VL's preprocessing takes no longer pictures
KEPT_FORMATS = ("PNG", "JPEG")

# What Pillow raises on broken files, depending on the format and on where it is broken.
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


class UnusableImage(ValueError):
    """The bytes are no picture that can be used; the message is the reason."""


def bounded_image(data: bytes, max_pixels: int) -> bytes:
    """The picture as PNG or JPEG that Pillow opens as RGB, with at most `max_pixels` pixels.

    Bytes that are so already are returned as they are. Larger pictures are shrunk with their aspect kept;
    transparent ones are laid on white, as Qwen's own preprocessing does. UnusableImage if it is unreadable.
    """
    try:
        with Image.open(io.BytesIO(data), formats=READ_FORMATS) as image:
            if image.width * image.height > LARGEST_IMAGE:
                raise UnusableImage(f"image above {LARGEST_IMAGE} pixels")
            if max(image.size) > LARGEST_ASPECT * min(image.size):
                raise UnusableImage(f"image with one side over {LARGEST_ASPECT} times the other")
            image.load()
            if (
                image.format in KEPT_FORMATS
                and image.mode == "RGB"
                # A PNG can declare one colour of an RGB picture transparent.
                and "transparency" not in image.info
                and image.width * image.height <= max_pixels
            ):
                return data
            picture = _shrunk(_as_rgb(image), max_pixels)
    except UnusableImage:
        raise
    except _DECODING_ERRORS as error:
        raise UnusableImage("unreadable image") from error
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def decoded(data: bytes) -> Image.Image:
    """A prepared picture as RGB."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits per pixel; Pillow's own conversion cuts off instead of scaling.
        return Image.fromarray((np.asarray(image).clip(0, 65535) // 256).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _shrunk(image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (width * height))
    # An extremely long picture keeps a side of one pixel, and the other side gives way.
    width = min(max(1, math.floor(width * scale)), max_pixels)
    height = max(1, min(math.floor(height * scale), max_pixels // width))
    return image.resize((width, height), Image.Resampling.BICUBIC)
