"""The page and the picture of an audit: the claim, and how near the attacks came to it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from safegen.report.page import inline, pages

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from safegen.audit.membership import MembershipInference
    from safegen.pipeline.audit import Audit
    from safegen.schemas.audit import AuditReport

INK, FAINT, GOOD, BAD, PAPER = "#1b2030", "#667085", "#067647", "#b42318", "#ffffff"
MIN_RATE = 1e-3  # where the axes of the ROC begin, or one record in all


def render(audit: Audit) -> str:
    """The page, with its picture inside; it loads nothing from anywhere."""
    environment = pages()
    page = environment.get_template("audit.html.j2")
    return page.render(report=audit.report, picture=inline(draw(audit)))


def draw(audit: Audit) -> bytes:
    """The bounds beside the claim, and the ROC of membership where there is one; a PNG."""
    report, found = audit.report, audit.membership
    figure = Figure(
        figsize=(9.2 if found is not None else 5.6, 3.2), dpi=130, facecolor=PAPER, layout="tight"
    )
    panels = figure.subplots(1, 2 if found is not None else 1, squeeze=False)[0]
    _draw_bounds(panels[0], report)
    if found is not None:
        _draw_roc(panels[1], found)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _draw_bounds(axes: Axes, report: AuditReport) -> None:
    rows = [(attack.name, attack.lower_bound) for attack in report.attacks]
    rows = [*reversed(rows), ("claimed, at most", report.epsilon)]
    for place, (name, value) in enumerate(rows):
        claim = place == len(rows) - 1
        colour = INK if claim else (GOOD if value <= report.recomputed else BAD)
        axes.barh(place, max(value, report.epsilon / 300), height=0.52, color=colour)
        proved = f"at least {value:.2f}" if value else "nothing proved"
        text = f"{value:.2f}" if claim else proved
        axes.text(value + report.epsilon * 0.02, place, text, va="center", fontsize=8.5, color=INK)
        axes.text(0, place + 0.34, name, va="bottom", fontsize=8.5, color=INK if claim else FAINT)
    axes.axvline(report.epsilon, color=INK, lw=0.8, ls=(0, (3, 3)))
    axes.set_xlim(0, max(report.epsilon, *(value for _, value in rows)) * 1.22)
    axes.set_ylim(-0.5, len(rows) - 0.1)
    axes.set_yticks([])
    axes.set_xlabel(f"epsilon at delta {report.delta:.2g}", fontsize=8.5, color=FAINT)
    axes.set_title("The claim, and what attacks could prove", fontsize=10, loc="left", color=INK)
    _quiet(axes)


def _draw_roc(axes: Axes, found: MembershipInference) -> None:
    """True against false positive rate on logarithmic axes (Carlini et al. 2022)."""
    thresholds = np.unique(np.concatenate([found.member_scores, found.other_scores]))[::-1]
    hits = np.searchsorted(np.sort(-found.member_scores), -thresholds, side="right")
    alarms = np.searchsorted(np.sort(-found.other_scores), -thresholds, side="right")
    least = max(MIN_RATE, 1 / found.others)
    axes.plot([least, 1], [least, 1], color=FAINT, lw=0.8, ls=(0, (3, 3)), label="chance")
    axes.step(
        np.maximum(alarms / found.others, least),
        np.maximum(hits / found.members, least),
        where="post", color=INK, lw=1.4,
        label=f"AUC {found.auc.value:.3f} ({found.auc.low:.3f} to {found.auc.high:.3f})",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(least, 1)
    axes.set_ylim(least, 1)
    axes.set_xlabel("share of held-out records accused", fontsize=8.5, color=FAINT)
    axes.set_ylabel("share of members found", fontsize=8.5, color=FAINT)
    axes.set_title("Membership from finished samples", fontsize=10, loc="left", color=INK)
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    _quiet(axes)


def _quiet(axes: Axes) -> None:
    axes.tick_params(labelsize=8, colors=FAINT, length=2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#e4e7ec")
