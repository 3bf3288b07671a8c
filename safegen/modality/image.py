"""Pictures: float samples in [0, 1] to 8-bit PNG, and the pixels that a fingerprint looks at.

A verifier needs the latter alone; so numpy is imported where arrays are.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from safegen.errors import DataError, RequestError
from safegen.schemas.card import PICTURES, PictureShape

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from safegen.modality.regions import Regions
    from safegen.schemas.card import Shape
    from safegen.schemas.label import LabelDocument, VisibleLabel

MAX_PIXELS = 2**26  # some kilobytes can stand for any number; converting takes a dozen bytes each
BORDERS = (0, 4, 8, 16, 32, 64)  # grey values by which a border may differ from its corner
FLAT = 4  # grey values between the darkest and the brightest of a picture that shows something
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
        shape: of one picture.
        format: `png`, `webp` and `tiff` store every value; `gif` does with 256 colours or fewer;
            `jpeg` and `avif` are as close as a quality of 95 allows.
    """

    shape: PictureShape
    format: ImageFormat = "png"

    name: ClassVar[str] = PICTURES
    one: ClassVar[str] = "picture"
    many: ClassVar[str] = "pictures"
    quantity: ClassVar[str] = "brightness"
    formats: ClassVar[tuple[str, ...]] = FORMATS
    step: ClassVar[float] = 1 / 255
    embeds: ClassVar[bool] = True
    fingerprint_algorithm: ClassVar[str | None] = "io.iscc.v0"
    digital_source_type: ClassVar[str] = (
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    )

    @classmethod
    def of(cls, shape: Shape, format: str | None = None) -> ImageModality:  # noqa: A002 - everybody's word
        """Pictures of a shape in a format, PNG when None.

        Raises:
            DataError: the shape is that of something else.
            RequestError: there is no such format.
        """
        if not isinstance(shape, PictureShape):
            raise DataError(f"{shape} is no shape of pictures; give channels, height and width")
        for each in FORMATS:
            if each == (FORMATS[0] if format is None else format):
                return cls(shape, each)
        raise RequestError(f"no picture format {format!r}; choose {', '.join(FORMATS)}")

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return self.shape.channels, self.shape.height, self.shape.width

    @property
    def mime(self) -> str:
        """The encoded file's media type."""
        return f"image/{self.format}"

    @property
    def suffix(self) -> str:
        """The file name's."""
        return ".jpg" if self.format == "jpeg" else f".{self.format}"

    def in_words(self) -> str:
        """Pictures of this shape.

        >>> ImageModality(PictureShape(channels=1, height=28, width=32)).in_words()
        'grey pictures of 32x28 pixels'
        """
        colours = "grey" if self.shape.channels == 1 else "RGB"
        return f"{colours} pictures of {self.shape.width}x{self.shape.height} pixels"

    def to_float(self, stored: Any) -> Any:  # noqa: ANN401 - an array or a tensor, as it came
        """Whole numbers from 0 to 255 as numbers in [0, 1]."""
        return stored / 255

    def to_stored(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Numbers in [0, 1] as whole ones from 0 to 255."""
        return to_bytes(values)

    def encode(self, sample: NDArray[Any]) -> bytes:
        """Encode one picture.

        Args:
            sample: (1 or 3, height, width), in [0, 1]; values outside are clipped.

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
        return pixels_of(data)

    @classmethod
    def fingerprint(cls, data: bytes, *, to_compare: bool = False) -> bytes:
        """The ISCC image code of an encoded picture, 8 bytes.

        Raises:
            DataError: the bytes are not a whole picture.
        """
        from safegen.modality.image_code import image_code, image_code_to_compare

        code = image_code_to_compare if to_compare else image_code
        return code(fingerprint_pixels(data))

    @classmethod
    def fingerprints_to_find(cls, data: bytes) -> tuple[bytes, ...]:
        """Codes by one of which a copy is found, whatever saving it anew did to its border.

        The standard crops a border of one colour; a lossy format leaves specks in it, and then
        the standard's code is of another part of the picture. So the border is also looked for
        with more and more tolerance.

        Raises:
            DataError: the bytes are not a whole picture, or are one flat colour.
        """
        from safegen.modality.image_code import image_code_to_compare

        return tuple(dict.fromkeys(map(image_code_to_compare, views_of(data))))

    def show(self, axes: Axes, stored: NDArray[np.uint8]) -> None:
        """Draw one picture (channels, height, width), uint8."""
        grey = len(stored) == 1
        axes.imshow(
            stored[0] if grey else stored.transpose(1, 2, 0),
            cmap="gray" if grey else None, vmin=0, vmax=255, interpolation="nearest",
        )  # fmt: skip

    def plan_label(self, wanted: LabelDocument) -> VisibleLabel:
        """As `modality.base.ShowsLabels` says."""
        from safegen.modality.visible_label import planned

        return planned(wanted, self.shape.width, self.shape.height)

    def with_label(
        self, sample: NDArray[Any], label: VisibleLabel, least: float
    ) -> tuple[NDArray[Any], VisibleLabel]:
        """As `modality.base.ShowsLabels` says."""
        from safegen.modality.visible_label import chosen, draw

        own = chosen(sample, label, least)
        return draw(sample, own), own

    def with_label_again(self, sample: NDArray[Any], label: VisibleLabel) -> NDArray[Any]:
        """As `modality.base.ShowsLabels` says."""
        from safegen.modality.visible_label import draw

        return draw(sample, label)

    def label_contrast(self, stored: NDArray[np.uint8], label: VisibleLabel) -> float:
        """As `modality.base.ShowsLabels` says."""
        from safegen.modality.visible_label import contrast_in

        return contrast_in(stored, label)

    def regions(self) -> Regions:
        """The cells of a grid over a picture."""
        from safegen.modality.regions import picture_regions

        return picture_regions((self.shape.channels, self.shape.height, self.shape.width))


MODALITY = ImageModality


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    """The values (channels, height, width), uint8, of an encoded picture of any shape.

    Raises:
        DataError: the bytes are not a whole picture.
    """
    import numpy as np

    pixels = np.asarray(open_picture(data))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def to_bytes(sample: NDArray[Any]) -> NDArray[np.uint8]:
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
        if picture.width * picture.height > MAX_PIXELS:
            raise DataError(
                f"a picture of more than {MAX_PIXELS:,} pixels, too large to open safely"
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
    picture = _upright(data)
    return _small(picture, _from_corner(picture).getbbox() or (0, 0, *picture.size))


def views_of(data: bytes) -> list[list[int]]:
    """The same of a copy whose border may not be of one colour any more, one for each crop.

    Raises:
        DataError: the bytes are not a whole picture, or are one flat colour.
    """
    picture = _upright(data)
    levels = [value for value, count in enumerate(picture.histogram()) if count]
    if levels[-1] - levels[0] < FLAT:
        raise DataError("a picture of one flat colour, which looks like any other such picture")
    difference = _from_corner(picture)
    crops = {(0, 0, *picture.size)}
    for most in BORDERS:
        found = difference.point([255 * (value > most) for value in range(256)]).getbbox()
        crops |= {found} if found else set()
    return [_small(picture, crop) for crop in sorted(crops)]


def _upright(data: bytes) -> Image.Image:
    """A picture in grey, as its EXIF data turn it."""
    try:
        return ImageOps.exif_transpose(open_picture(data)).convert("L")
    except (SyntaxError, ValueError, OSError) as error:  # from the orientation, not the pixels
        raise DataError("not a readable picture: its EXIF data are broken") from error


def _from_corner(picture: Image.Image) -> Image.Image:
    """How far each grey value is from that of the corner."""
    return ImageChops.difference(picture, Image.new("L", picture.size, picture.getpixel((0, 0))))


def _small(picture: Image.Image, crop: tuple[int, int, int, int]) -> list[int]:
    return list(picture.crop(crop).resize((32, 32), Image.Resampling.BICUBIC).tobytes())


def _on_white(picture: Image.Image) -> Image.Image:
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
