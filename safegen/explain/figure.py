"""The picture of an explanation: the output, and what moved each of its regions."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from safegen.explain.faithfulness import doubts
from safegen.explain.lettering import FONT_WEIGHT, lettering, without_remarks
from safegen.explain.summary import in_words, label_share, strongest_latents

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from safegen.modality.base import Modality
    from safegen.schemas.explanation import AnyExplanation

INK_COLOUR, PAPER_COLOUR, FAINT_COLOUR = "#1f2430", "#ffffff", "#6b7280"
MAX_LATENT_MAPS = 3  # latents with a map of their own
SEEN_SHARE = 0.05  # of a figure's scale, above which a region's sign is written
LEFT_TO_RIGHT = "\u200e"  # the title's direction, also where a name in Arabic comes first


def draw(
    stored: NDArray[Any],
    modality: Modality,
    explanation: AnyExplanation,
    attributions: NDArray[np.float32],
    title: str,
) -> bytes:
    """Draw one explanation as a PNG.

    From left to right: the output with its regions; what the label did to each region; what each
    of the strongest latents did. Red and + raise a region, blue and - lower it, so that it can be
    read in grey and by who tells no red from green; all maps share a scale, in the region's unit.
    The sum over a map's title is signed as its colours are. An alternative text is in the file.

    Args:
        stored: the output's values (*dimensions), as its kind of data stores them.
        modality: what kind of data it is.
        explanation: of this output.
        attributions: its numbers, (regions, latents + 1).
        title: what the output is; letters that no font here has are escaped.
    """
    rows, columns = explanation.grid.rows, explanation.grid.columns
    maps = [("label", attributions[:, -1])]
    maps += [
        (f"latent {i}", attributions[:, i])
        for i in strongest_latents(explanation)[:MAX_LATENT_MAPS]
    ]
    scale = max(float(np.abs(values).max()) for _, values in maps) or 1.0

    figure = Figure(figsize=(2.1 * (1 + len(maps)), 2.9), dpi=110, facecolor=PAPER_COLOUR)
    grid = figure.add_gridspec(
        1, 2 + len(maps), width_ratios=[1] * (1 + len(maps)) + [0.06],
        left=0.02, right=0.93, top=0.8, bottom=0.14, wspace=0.1,
    )  # fmt: skip
    _draw_output(figure.add_subplot(grid[0, 0]), stored, modality, (rows, columns))
    for place, (name, values) in enumerate(maps, start=1):
        axes = figure.add_subplot(grid[0, place])
        image = axes.imshow(values.reshape(rows, columns), cmap="RdBu_r", vmin=-scale, vmax=scale)
        _mark_signs(axes, values.reshape(rows, columns), scale)
        _plain(axes, f"{name}: {values.mean():+.3f} overall")
    bar = figure.colorbar(image, cax=figure.add_subplot(grid[0, -1]))
    bar.ax.tick_params(labelsize=7, colors=FAINT_COLOUR, length=2)
    bar.outline.set_visible(False)
    drawn = lettering(title)
    mark = "" if title.isascii() else LEFT_TO_RIGHT
    figure.suptitle(
        mark + drawn.text, x=0.02, ha="left", fontsize=10, color=INK_COLOUR, weight=FONT_WEIGHT,
        fontfamily=list(drawn.families), parse_math=False,
    )  # fmt: skip
    unreliable = doubts(explanation)
    figure.text(
        0.02, 0.035,
        f"change of a region's {modality.quantity} against {explanation.baseline}; label "
        f"{label_share(explanation):.0%} of all changes; gap {explanation.completeness_gap:.1%}"
        + _scores_in_words(explanation)
        + ("; UNRELIABLE" if unreliable else ""),
        fontsize=7.5, color=INK_COLOUR if unreliable else FAINT_COLOUR,
    )  # fmt: skip
    file = io.BytesIO()
    told = {"Software": None, "Description": in_words(explanation, attributions)}
    with without_remarks():
        figure.savefig(file, format="png", metadata=told)
    return file.getvalue()


def _scores_in_words(explanation: AnyExplanation) -> str:
    """The scores that a figure has room for, where the explanation has them."""
    scores = getattr(explanation, "faithfulness", {})
    names = {"rank_correlation": "rank", "interaction": "interaction", "stability": "stability"}
    told = [f"{word} {scores[name]:.2f}" for name, word in names.items() if name in scores]
    return "".join(f"; {each}" for each in told)


def _mark_signs(axes: Axes, values: NDArray[np.float32], scale: float) -> None:
    """Write + or - into every region that moved enough to be seen."""
    for (row, column), value in np.ndenumerate(values):
        if abs(value) >= SEEN_SHARE * scale:
            colour = PAPER_COLOUR if abs(value) > scale / 2 else INK_COLOUR
            axes.text(
                column, row, "+" if value > 0 else "\N{MINUS SIGN}", ha="center", va="center",
                fontsize=7, color=colour,
            )  # fmt: skip


def _draw_output(
    axes: Axes, stored: NDArray[Any], modality: Modality, grid: tuple[int, int]
) -> None:
    """The output, and lines between its regions."""
    modality.show(axes, stored)
    rows, columns = grid
    inner = [([0.0, 1.0], [row / rows] * 2) for row in range(1, rows)]
    inner += [([column / columns] * 2, [0.0, 1.0]) for column in range(1, columns)]
    for across, up in inner:
        axes.plot(across, up, transform=axes.transAxes, color="#f59e0b", lw=0.6, alpha=0.7)
    _plain(axes, "output")


def _plain(axes: Axes, name: str) -> None:
    axes.set_title(name, fontsize=8.5, color=INK_COLOUR, pad=4)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
