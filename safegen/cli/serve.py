"""`safegen serve`: verification as a service and a page."""

from __future__ import annotations

from safegen.cli.settings import Settings, with_settings
from safegen.config.service import GenerationConfig, ServiceConfig
from safegen.verification.options import VerificationOptions

SERVICE_SETTINGS = Settings(ServiceConfig, "Service")
VERIFICATION_SETTINGS = Settings(VerificationOptions, "Verification", leaving=("discreet",))
GENERATION_SETTINGS = Settings(GenerationConfig, "Generation")


@with_settings(
    service=SERVICE_SETTINGS,
    verification=VERIFICATION_SETTINGS,
    generation=GENERATION_SETTINGS,
)
def serve(
    *, service: ServiceConfig, verification: VerificationOptions, generation: GenerationConfig
) -> None:
    """Serve a page to look at files with, and the same for programs; needs the extra `web`.

    Nothing but this machine reaches it unless --host says otherwise. Files are looked at in memory
    and kept nowhere; logs are lines of JSON on standard error, without names or addresses.
    """
    from safegen.cli.console import plain, say
    from safegen.errors import InputError

    try:
        from safegen.web.server import serve as run
        from safegen.web.verifying import require_startable
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("safegen"):
            raise
        raise InputError(
            f"serving needs the package {error.name}; install it with: pip install 'safegen[web]'"
        ) from error
    require_startable(verification)
    run(
        verification,
        service,
        generation,
        told=lambda address: say(f"Listening at [bold]{plain(address)}[/]"),
    )
