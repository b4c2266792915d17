from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from apps.uploads import pictures

Encode = Callable[..., bytes]


def bomb(side: int) -> bytes:
    """A PNG that claims to be `side` pixels square, and is a few bytes."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(b"")) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("media_type", sorted(pictures.FORMATS))
def test_every_format_gets_a_thumbnail(encode: Encode, media_type: str) -> None:
    """A WebP within the side, whatever it was made from."""
    content = encode(pictures.FORMATS[media_type], (800, 400))
    picture = pictures.read(io.BytesIO(content), media_type)
    assert (picture.width, picture.height) == (800, 400)
    with Image.open(io.BytesIO(picture.thumbnail)) as thumbnail:
        assert thumbnail.format == "WEBP"
        assert thumbnail.size == (256, 128)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_mode_of_png_can_be_shown(mode: str) -> None:
    """Palettes, grey levels, 16 bits and transparency included."""
    out = io.BytesIO()
    Image.new(mode, (10, 10)).save(out, "PNG")
    assert pictures.read(out, "image/png").thumbnail


def test_a_turned_photo_is_turned_back(encode: Encode) -> None:
    """Sizes and thumbnail are as the photo is seen, and its EXIF data stays behind."""
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter to the right
    exif[0x010F] = "Camera maker"
    content = encode("JPEG", (40, 20), exif=exif, quality=95)
    picture = pictures.read(io.BytesIO(content), "image/jpeg")
    assert (picture.width, picture.height) == (20, 40)
    with Image.open(io.BytesIO(picture.thumbnail)) as thumbnail:
        assert thumbnail.size == (20, 40)
        red, _, blue = thumbnail.convert("RGB").getpixel((10, 5))  # type: ignore[misc]
        assert red > blue  # the left half, orange, is on top
        assert not thumbnail.getexif()


def test_transparency_is_kept() -> None:
    """In the thumbnail as well."""
    out = io.BytesIO()
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(out, "PNG")
    with Image.open(io.BytesIO(pictures.read(out, "image/png").thumbnail)) as thumbnail:
        assert thumbnail.mode == "RGBA"


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_a_decompression_bomb_is_not_decoded(side: int) -> None:
    """Above the limit, above Pillow's warning and above Pillow's own error: one reason."""
    with pytest.raises(pictures.Unreadable, match="more than 50 megapixels"):
        pictures.read(io.BytesIO(bomb(side)), "image/png")


@pytest.mark.parametrize("media_type", sorted(pictures.FORMATS))
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_a_damaged_image_has_a_reason(encode: Encode, media_type: str, share: float) -> None:
    """Cut off anywhere, and noise after the signature."""
    whole = encode(pictures.FORMATS[media_type], (400, 400))
    damaged = whole[: max(8, int(share * len(whole)))] + b"noise"
    with pytest.raises(pictures.Unreadable, match="damaged"):
        pictures.read(io.BytesIO(damaged), media_type)


def test_only_the_detected_format_is_tried(encode: Encode) -> None:
    """What starts as one format never reaches the decoder of another."""
    with pytest.raises(pictures.Unreadable):
        pictures.read(io.BytesIO(encode("TIFF")), "image/png")
