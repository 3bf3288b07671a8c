"""Pictures: float samples in [0, 1] to 8-bit PNG, and the pixels that a fingerprint looks at.

A verifier needs the latter alone; so numpy is imported where arrays are.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from safegen.errors import DataError, RequestError
from safegen.modality.regions import picture_regions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safegen.modality.regions import Regions

MOST_PIXELS = 2**26  # some kilobytes can stand for any number; converting takes a dozen bytes each
ImageFormat = Literal["png", "jpeg", "webp", "tiff", "avif", "gif"]
FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)
SAVED_WITH: dict[str, dict[str, Any]] = {
    "jpeg": {"quality": 95},
    "avif": {"quality": 95},
    "webp": {"lossless": True},
    "tiff": {"compression": "tiff_lzw"},
}


@dataclass(frozen=True, slots=True)
class ImageModality:
    """Grey or RGB pictures in a format that embeds its manifest.

    Attributes:
        format: `png`, `webp` and `tiff` store every value; `gif` does with 256 colours or fewer;
            `jpeg` and `avif` are as close as a quality of 95 allows.
    """

    format: ImageFormat = "png"
    digital_source_type: ClassVar[str] = (
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    )

    @property
    def mime(self) -> str:
        """The encoded file's media type."""
        return f"image/{self.format}"

    @property
    def suffix(self) -> str:
        """The file name's."""
        return ".jpg" if self.format == "jpeg" else f".{self.format}"

    def encode(self, sample: NDArray[np.float32]) -> bytes:
        """Encode one picture.

        Args:
            sample: (1 or 3, height, width), float32 in [0, 1]; values outside are clipped.

        Returns:
            A file of 8 bits a channel.
        """
        file = io.BytesIO()
        options: dict[str, Any] = SAVED_WITH.get(self.format, {})
        to_picture(to_bytes(sample)).save(file, self.format.upper(), **options)
        return file.getvalue()

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Decode one picture to (channels, height, width), uint8.

        Raises:
            DataError: the bytes are not a whole picture.
        """
        import numpy as np

        pixels = np.asarray(open_picture(data))
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    def regions(self, shape: tuple[int, int, int]) -> Regions:
        """The cells of a grid over pictures of (channels, height, width)."""
        return picture_regions(shape)


def modality_named(format: str) -> ImageModality:  # noqa: A002 - the word that everybody uses
    """How pictures are encoded in a format.

    Raises:
        RequestError: there is no such format here.
    """
    for each in map(ImageModality, FORMATS):
        if each.format == format:
            return each
    raise RequestError(f"no picture format {format!r}; choose {', '.join(FORMATS)}")


def modality_of(mime: str) -> ImageModality:
    """How a picture of this media type is encoded; as PNG when it is none of ours.

    >>> modality_of("image/jpeg").suffix
    '.jpg'
    """
    ours = {each.mime: each for each in map(ImageModality, FORMATS)}
    return ours.get(mime, ImageModality())


def to_bytes(sample: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round values in [0, 1] to 0..255.

    >>> import numpy as np
    >>> to_bytes(np.array([0.0, 0.5, 1.0, 7.0], dtype=np.float32)).tolist()
    [0, 128, 255, 255]
    """
    import numpy as np

    rounded: NDArray[np.uint8] = np.floor(np.clip(sample, 0, 1) * 255 + 0.5).astype(np.uint8)
    return rounded


def to_picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """A Pillow picture of (1 or 3, height, width), uint8."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def open_picture(data: bytes) -> Image.Image:
    """Open a grey or RGB picture and read all of it; 16-bit, palette and alpha are converted.

    Raises:
        DataError: the bytes are not a whole picture.
    """
    picture = read_picture(data)
    if picture.mode.startswith("I"):  # 16 bits a pixel: keep the upper eight
        import numpy as np

        wide = np.asarray(picture).astype(np.uint32)
        return Image.fromarray((wide >> 8).clip(0, 255).astype(np.uint8))
    if picture.mode in {"L", "RGB"}:
        return picture
    if picture.mode in {"1", "F"}:
        return picture.convert("L")
    if picture.mode == "LA":
        return _on_white(picture).convert("L")
    return _on_white(picture)


def read_picture(data: bytes) -> Image.Image:
    """Read all of a picture, in its own mode.

    Raises:
        DataError: the bytes are not a whole picture.
    """
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height > MOST_PIXELS:
            raise DataError(
                f"a picture of more than {MOST_PIXELS:,} pixels, too large to open safely"
            )
        picture.load()
    except UnidentifiedImageError as error:
        raise DataError("not a readable picture") from error
    except (OSError, ValueError, SyntaxError, OverflowError) as error:
        raise DataError(f"not a readable picture: {error}") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"a picture too large to open safely: {error}") from error
    return picture


def fingerprint_pixels(data: bytes) -> list[int]:
    """The 1,024 grey values from which ISO 24138 computes an image's code.

    Upright, on white, empty borders cropped, 32 x 32, row by row, each 0..255.

    Raises:
        DataError: the bytes are not a whole picture.
    """
    try:
        picture = ImageOps.exif_transpose(open_picture(data)).convert("L")
    except (SyntaxError, ValueError, OSError) as error:  # from the orientation, not the pixels
        raise DataError("not a readable picture: its EXIF data are broken") from error
    background = Image.new("L", picture.size, picture.getpixel((0, 0)))
    content = ImageChops.difference(picture, background).getbbox() or (0, 0, *picture.size)
    small = picture.crop(content).resize((32, 32), Image.Resampling.BICUBIC)
    return list(small.tobytes())


def _on_white(picture: Image.Image) -> Image.Image:
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
