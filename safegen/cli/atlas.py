"""`safegen atlas`: what a model's latents do, on one page; and names for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.options import SIGNING
from safegen.cli.settings import with_settings
from safegen.errors import InputError
from safegen.package.presence import require_package

if TYPE_CHECKING:
    from safegen.config.workspace import Workspace

Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        metavar="THING=NAME",
        help="Name a latent, direction or cluster, as in 'latent 3=slant'; repeatable.",
    ),
]


@with_settings(workspace=SIGNING)
def atlas(
    package: Annotated[Path, typer.Argument(help="A model package.")],
    *,
    out: Annotated[Path, typer.Option(help="The new page.")] = Path("atlas.html"),
    label: Annotated[int, typer.Option(help="Of the class that strips show.")] = 0,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    name: Names = None,
    workspace: Workspace,
) -> None:
    """Show what latents do: strips, directions, clusters, and whether explanations can be believed.

    Names are kept beside the package's signed files, and appear wherever its latents are told of.
    """
    require_package(package)
    given = dict(_split(each) for each in name or ())
    from safegen import storage
    from safegen.package.latent_names import write_names
    from safegen.pipeline.atlas import make_atlas
    from safegen.pipeline.generate.model import load
    from safegen.report.atlas import render

    model = load(package, workspace=workspace)
    if given:
        write_names(package, model.digest, given, latents=model.config.architecture.latent)
    with Bars() as bars:
        page = render(make_atlas(model, bars, label=label, seed=seed), model.modality)
    data = page.encode()
    with storage.new_file(out) as place:
        model.log_unsafe(data, reason="an atlas of latents")
        place.write_bytes(data)
    say(f"Wrote {plain(out)}; its pictures are not signed, and the ledger knows of it.")


def _split(text: str) -> tuple[str, str]:
    thing, mark, name = text.partition("=")
    if not mark:
        raise InputError(f"{text!r} names nothing; write THING=NAME, as in 'latent 3=slant'")
    return thing.strip(), name.strip()
