"""``fleetops inventory``: which part sits where, who says so, and who says otherwise."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fleetops.cli.context import CliContext, TokenFileOption, UrlOption
from fleetops.cli.output import Column, ExitCode, Format, FormatOption, View, say
from fleetops.core.clock import SystemClock
from fleetops.core.inventory.load import load_inventory
from fleetops.detect.inventory import InventoryBook
from fleetops_schemas.identity import InventoryDevice

app = typer.Typer(no_args_is_help=True)

DEVICES: View[InventoryDevice] = View(
    "device",
    lambda one: one.device,
    (
        Column("device", lambda one: one.device),
        Column("class", lambda one: one.device_class, wide=True),
        Column("model", lambda one: one.model),
        Column("serial", lambda one: one.serial),
        Column("uuid", lambda one: one.uuid, wide=True),
        Column("firmware", lambda one: one.firmware, wide=True),
        Column("rack", lambda one: one.placement.get("rack")),
        Column("leaf", lambda one: one.placement.get("leaf_switch"), wide=True),
        Column("loop", lambda one: one.placement.get("coolant_loop"), wide=True),
        Column("since", lambda one: one.since),
        Column("conflicts", lambda one: "; ".join(one.conflicts)),
    ),
)


@app.command("list")
def list_devices(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Only what stands in this host.")] = None,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Only devices of which sources disagree.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most devices to show.")] = 1000,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List the devices that the running line knows."""
    cli: CliContext = context.obj
    with cli.reaching(url, token_file).client() as client:
        page = client.devices(host=host, conflicts=conflicts, limit=limit)
    DEVICES.show(page.items, output)
    if page.next_cursor is not None:
        say(f"there are more than {limit}; name a --host")


@app.command()
def get(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="Its name, such as node001/gpu5.")],
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show one device with the word of every source."""
    cli: CliContext = context.obj
    with cli.reaching(url, token_file).client() as client:
        found = client.device(device)
    DEVICES.show_one(found, output, _tell)


@app.command()
def check(context: typer.Context, output: FormatOption = Format.TABLE) -> None:
    """Read the inventory files of the configuration, show what they say and where they disagree.

    1: something could not be used, or two files contradict each other.
    """
    cli: CliContext = context.obj
    inventory = load_inventory(cli.config)
    book = InventoryBook()
    for claim in inventory.identities(SystemClock().now()):
        book.take(claim)
    devices = sorted(book.changes(), key=lambda one: one.device)
    DEVICES.show(devices, output)
    for problem in inventory.problems:
        say(problem)
    contradicted = [one for one in devices if one.conflicts]
    say(
        f"{len(inventory.placements)} hosts placed by {len(inventory.claims)} sources, "
        f"{len(contradicted)} contradicted"
    )
    if inventory.problems or contradicted:
        raise SystemExit(ExitCode.FAILED)


def _tell(one: InventoryDevice) -> None:
    write = sys.stdout.write
    write(f"{one.device}  {one.model}  serial {one.serial or '-'}  uuid {one.uuid or '-'}\n")
    write(f"at this place since {one.since:%Y-%m-%d %H:%M}\n")
    if one.placement:
        write(", ".join(f"{key} {value}" for key, value in sorted(one.placement.items())) + "\n")
    for conflict in one.conflicts:
        write(f"conflict: {conflict}\n")
    for claim in one.claims:
        words = (claim.model, claim.serial, claim.uuid, claim.firmware, claim.address)
        said = ", ".join(word for word in words if word)
        write(f"  {claim.source}  {claim.observed_at:%Y-%m-%d %H:%M}  {said}\n")
