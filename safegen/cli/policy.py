"""`safegen policy`: read policies, check and test them, ask them, and understand what they said."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import COLOURS, plain, say
from safegen.cli.options import BASELINE, Deployment, Policy, TimeTrust

if TYPE_CHECKING:
    from safegen.policy.rules import Rule
    from safegen.schemas.decision import Decision
    from safegen.schemas.gap import GapReport

app = typer.Typer(help="Policies: what may leave.", no_args_is_help=True)
GAP_COLOURS = {
    "met": "green",
    "attested": "green",
    "missed": "red",
    "unknown": "yellow",
    "not_applicable": "dim",
}
Named = Annotated[list[str], typer.Argument(help="Shipped policies' names, or YAML files.")]


class Stage(StrEnum):
    """When a policy is asked."""

    TRAIN = "train"
    REQUEST = "request"
    RELEASE = "release"
    PUBLISH = "publish"


@app.command("list")
def list_policies() -> None:
    """Name the policies that come with safegen."""
    from safegen.policy.load import load_policy, shipped_policies

    for name in shipped_policies():
        loaded = load_policy(name)
        law = f" [dim]{plain(loaded.law)}[/]" if loaded.law else ""
        say(f"[bold]{name}[/]{law}\n  {plain(loaded.description)}")


@app.command("show")
def show(policies: Named) -> None:
    """Show the rules of policies; also the way to check one, since a typo does not load."""
    from safegen.policy.load import load_policies

    loaded = load_policies(policies)
    say(f"[bold]{plain(loaded.name)}[/]  {plain(loaded.description)}")
    if loaded.law:
        say(f"about {plain(loaded.law)}")
    version = f"version {plain(loaded.version)}, " if loaded.version else ""
    say(f"[dim]{version}{loaded.digest}[/]")
    for part in loaded.parts:
        say(f"  [dim]{plain(part.name)}: {part.digest}[/]")
    for rule in loaded.rules:
        _show(rule)
    mining = ", ".join(f"{name} {use}" for name, use in loaded.training_mining.items())
    say(f"\n  training and mining: {mining}")
    say(f"  time-stamps: {'required' if loaded.stamps_required else 'preferred'}")
    for name, period in loaded.periods:
        say(f"  {plain(name)} is in force {period}")
    if loaded.label is not None:
        said = loaded.label.model_dump(exclude_none=True)
        told = ", ".join(f"{name} {value}" for name, value in said.items())
        say(f"  visible label: {plain(told) or 'the usual one'}")
    say(f"\nIt loads: {len(loaded.rules)} rules.")


def _show(rule: Rule) -> None:
    severity = " [yellow](warns)[/]" if rule.warns else ""
    say(f"\n  [bold]{plain(rule.id)}[/] at {rule.stage}{severity}")
    if rule.require:
        say(f"    {plain(rule.require)}")
    if rule.attest:
        say(f"    the word of {plain(rule.attest.who)}: {plain(rule.attest.what)}")
    when = f" {rule.effective}" if str(rule.effective) else ""
    where = f" in {', '.join(rule.jurisdiction)}" if rule.jurisdiction else ""
    source = f" ({rule.source})" if rule.source else ""
    say(f"    [dim]{plain(rule.because)}{plain(source)}{where}{when}[/]")
    if rule.uncertain:
        say(f"    [yellow]uncertain:[/] {plain(rule.uncertain)}")


@app.command("check")
def check(policies: Named) -> None:
    """Load policies together, and say whether something could leave under them."""
    from safegen.policy.load import load_policies

    loaded = load_policies(policies).require_screens()
    stages = sorted({rule.stage for rule in loaded.rules})
    say(f"{plain(loaded.name)} loads: {len(loaded.rules)} rules, for {', '.join(stages)}.")
    for stage in ("request", "release"):
        if stage not in stages:
            say(f"[yellow]alone it lets nothing out:[/] it has no rule for the {stage} stage")


@app.command("test")
def test(policies: Named) -> None:
    """Run the tests that stand inside policies; exit code 2 when one fails or there is none."""
    from safegen.policy.load import load_policy
    from safegen.policy.own_tests import run_tests

    failed = 0
    for name in policies:
        loaded = load_policy(name)
        results = run_tests(loaded)
        if not results:
            failed += 1
            say(f"[red]failed[/]  {plain(loaded.name)}: no tests; write some under its key `tests`")
        for result in results:
            for problem in result.problems:
                said = f"{plain(result.test.it)}: {plain(problem)}"
                say(f"[red]failed[/]  {plain(loaded.name)}: {said}")
        broken = sum(bool(result.problems) for result in results)
        failed += broken
        say(f"{plain(loaded.name)}: {len(results) - broken} of {len(results)} tests passed")
    if failed:
        sys.exit(2)


@app.command("decide")
def decide(
    file: Annotated[
        Path | None, typer.Argument(help="A finished file, for the publish stage.")
    ] = None,
    stage: Annotated[Stage, typer.Option(help="When.")] = Stage.PUBLISH,
    facts: Annotated[Path | None, typer.Option(help="YAML of facts, for any stage.")] = None,
    policy: Policy = BASELINE,
    deployment: Deployment = None,
    trust: Annotated[Path | None, typer.Option(help="PEM roots to trust.")] = None,
    time_trust: TimeTrust = None,
    json: Annotated[bool, typer.Option("--json", help="The decision as canonical JSON.")] = False,
) -> None:
    """Ask policies about a finished file, or about facts; exit code 3 when they refuse."""
    from safegen.errors import InputError
    from safegen.policy.deployment import load_deployment
    from safegen.policy.facts_file import read_facts
    from safegen.policy.guard import decide as judge
    from safegen.policy.load import load_policies
    from safegen.schemas.canonical import canonical_bytes

    loaded, where = load_policies(policy), load_deployment(deployment)
    if facts is not None:
        known = read_facts(facts, stage.value, loaded, where)
    elif file is not None and stage is Stage.PUBLISH:
        from datetime import UTC, datetime

        from safegen.verification.publishing import facts_of
        from safegen.verification.verify import verify

        known = facts_of(verify(file, trust=trust, time_trust=time_trust), where, datetime.now(UTC))
    else:
        raise InputError("name a finished file with --stage publish, or facts with --facts FILE")
    decision = judge(loaded, known)
    if json:
        sys.stdout.write(canonical_bytes(decision).decode() + "\n")
    else:
        _tell(decision)
    if not decision.allowed:
        sys.exit(3)


@app.command("why")
def why(
    path: Annotated[Path, typer.Argument(help="A receipt, or a file that was let out.")],
    trust: Annotated[Path | None, typer.Option(help="PEM roots to trust.")] = None,
) -> None:
    """Tell in plain words why something was allowed; what was checked is said first."""
    from safegen.verification.stated_decisions import stated_decisions

    stated = stated_decisions(path, trust)
    say(plain(stated.standing))
    for decision in stated.decisions:
        say("")
        _tell(decision)


def _tell(decision: Decision) -> None:
    from safegen.policy.guard import asked_for

    verb = "allowed" if decision.allowed else "[red]refused[/]"
    say(f"[bold]{plain(decision.policy)}[/] {verb} {asked_for(decision.stage)}:")
    for finding in decision.findings:
        colour = COLOURS.get(finding.outcome, "red")
        mark = f"[{colour}]{finding.outcome.replace('_', ' ')}[/]"
        say(f"  {mark}  {plain(finding.rule)}: {plain(finding.text)}")
    for screen in decision.screens or ():
        file = f", file {plain(screen.file_digest)}" if screen.file_digest else ""
        say(f"  [dim]screen {plain(screen.name)}, {plain(screen.digest)}{file}[/]")
    if decision.deployment:
        say(f"  [dim]deployment {plain(decision.deployment)}[/]")


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(help="A name or a YAML file.")],
    new: Annotated[str, typer.Argument(help="A name or a YAML file.")],
) -> None:
    """Say what is different between two policies, rule by rule."""
    from safegen.policy.comparing import differences
    from safegen.policy.load import load_policy

    found = differences(load_policy(old), load_policy(new))
    for line in found:
        say(plain(line))
    if not found:
        say("Both ask the same.")


@app.command("gap")
def gap(
    path: Annotated[Path, typer.Argument(help="A model package, or a file that was let out.")],
    policy: Policy = BASELINE,
    deployment: Deployment = None,
    trust: Annotated[Path | None, typer.Option(help="PEM roots to trust.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page there.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Say which rules a package or an output meets, and what to do; exit code 3 when it misses any.

    Rules that only warn, and rules that cannot be told, change no exit code.
    """
    from safegen.pipeline.gap import gap as ask
    from safegen.report.gap import render
    from safegen.storage import write

    report = ask(path, policy=policy, deployment=deployment, trust=trust)
    if html is not None:
        write(html, render(report).encode())
    if json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    else:
        _tell_gap(report)
    if any(row.state == "missed" and not row.warns for row in report.rows):
        sys.exit(3)


def _tell_gap(report: GapReport) -> None:
    say(f"[bold]{plain(report.subject)}[/] under {plain(report.policy)}. {plain(report.standing)}.")
    for row in report.rows:
        colour = GAP_COLOURS[row.state]
        severity = " (warns)" if row.warns and row.state == "missed" else ""
        say(f"\n[{colour}]{row.state.replace('_', ' ')}{severity}[/] {plain(row.rule)}")
        say(f"  {plain(row.text)}")
        if row.uncertain:
            say(f"  [yellow]uncertain:[/] {plain(row.uncertain)}")
        if row.todo:
            say(f"  [bold]to do:[/] {plain(row.todo)}")
    say(
        f"\n{report.count('met')} met, {report.count('attested')} attested, "
        f"{report.count('missed')} missed, {report.count('unknown')} not to be told, "
        f"{report.count('not_applicable')} not applicable. Evidence, and no legal advice."
    )


@app.command("facts")
def list_facts(
    stage: Annotated[Stage | None, typer.Option(help="Only those of one stage.")] = None,
    markdown: Annotated[bool, typer.Option(help="As a table in Markdown.")] = False,
) -> None:
    """List the facts that rules may speak of, with type, stages and meaning."""
    from safegen.policy.vocabulary import described

    told: dict[str, tuple[str, str, list[str]]] = {}
    for each in Stage:
        for name, (kind, meaning) in described(each.value).items():
            told.setdefault(name, (kind, meaning, []))[2].append(each.value)
    if markdown:
        say("| fact | type | at | meaning |\n| --- | --- | --- | --- |")
    for name, (kind, meaning, stages) in told.items():
        if stage and stage.value not in stages:
            continue
        where = "every stage" if len(stages) == len(Stage) else ", ".join(stages)
        if markdown:
            sys.stdout.write(f"| `{name}` | {kind} | {where} | {meaning} |\n")
        else:
            say(f"[bold]{plain(name)}[/] [dim]{kind}, {where}[/]\n  {plain(meaning)}")
