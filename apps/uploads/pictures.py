"""Images: their size in pixels, and a small copy to show."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import IO, Final

from PIL import Image, ImageOps

# Pillow is told the format that was detected and tries no other of its decoders.
FORMATS: Final = {
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
}
MOST_PIXELS: Final = 50_000_000  # a PNG of that size took 400 MB at its peak, a JPEG 25 (measured)
THUMBNAIL_SIDE: Final = 256  # pixels; shown at 64, so sharp on every screen
THUMBNAIL_TYPE: Final = "image/webp"
QUALITY: Final = 80  # Pillow's default for WebP

_TOO_LARGE = f"The image has more than {MOST_PIXELS // 1_000_000} megapixels, too many to decode."
_BROKEN = "The image is damaged: it could not be decoded. Save it again and upload the new file."


class Unreadable(Exception):
    """An image that is not decoded; the text is the reason, for whoever uploaded it."""


@dataclass(frozen=True)
class Picture:
    """`width` and `height` in pixels, as it is seen (a turned photo counts as turned)."""

    width: int
    height: int
    thumbnail: bytes


def read(file: IO[bytes], media_type: str) -> Picture:
    """Decode the first frame of an image whose type is in `FORMATS`.

    Raises Unreadable for a damaged image and for one with more than `MOST_PIXELS`.
    """
    try:
        with warnings.catch_warnings():
            # Of damaged EXIF data, which harms nobody, and of 89 megapixels; our own limit is lower.
            warnings.simplefilter("ignore")
            return _read(file, FORMATS[media_type])
    except Image.DecompressionBombError as error:
        raise Unreadable(_TOO_LARGE) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # All that Pillow's decoders for these formats raise on bad data.
        raise Unreadable(_BROKEN) from error


def _read(file: IO[bytes], pillow_format: str) -> Picture:
    with Image.open(file, formats=[pillow_format]) as image:
        if image.width * image.height > MOST_PIXELS:
            raise Image.DecompressionBombError
        width, height = _seen_size(image)
        # Lets the JPEG decoder skip detail that a thumbnail cannot show; others ignore it.
        image.draft("RGB", (2 * THUMBNAIL_SIDE, 2 * THUMBNAIL_SIDE))
        return Picture(width, height, _thumbnail(image))


def _seen_size(image: Image.Image) -> tuple[int, int]:
    """The size after the turn that EXIF's orientation asks for; 5 to 8 swap the sides."""
    orientation = image.getexif().get(0x0112, 1)
    return (image.height, image.width) if orientation in (5, 6, 7, 8) else image.size


def _thumbnail(image: Image.Image) -> bytes:
    """Shrunk in place first, for a copy in full size would double what it takes."""
    colours = "RGBA" if image.has_transparency_data else "RGB"
    small = image if image.mode in ("L", "RGB", "RGBA") else image.convert(colours)
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    upright = ImageOps.exif_transpose(small).convert(colours)
    out = io.BytesIO()
    # The pixels alone: no EXIF data (it may hold a place), no colour profile.
    upright.save(out, "WEBP", quality=QUALITY, exif=b"", icc_profile=b"", xmp=b"")
    return out.getvalue()
