"""The inventory: which part sits at which place, and where the sources disagree."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from fleetops.api.auth import Viewer
from fleetops.api.models import Page
from fleetops.api.paging import paginate
from fleetops.api.parts import PartsOf
from fleetops.api.problem import responses
from fleetops.api.routes.parameters import DEFAULT_LIMIT, Cursor, Limit, Name
from fleetops.core.errors import NotFoundError
from fleetops_schemas.identity import InventoryDevice

router = APIRouter(prefix="/devices", tags=["inventory"])


@router.get("", summary="Devices of the inventory, by name")
def list_devices(
    _: Viewer,
    parts: PartsOf,
    host: Name = None,
    conflicts: Annotated[bool, Query(description="Only those of which sources disagree.")] = False,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[InventoryDevice]:
    """What every source says of each device, and what they say together."""
    chosen = (
        device
        for device in parts.snapshot.devices.values()
        if (host is None or device.host == host) and (device.conflicts or not conflicts)
    )
    items, following = paginate(chosen, lambda device: (device.device,), cursor, limit)
    return Page(items=items, next_cursor=following)


@router.get("/{device:path}", summary="One device", responses=responses(HTTPStatus.NOT_FOUND))
def get_device(device: str, _: Viewer, parts: PartsOf) -> InventoryDevice:
    """One device with the word of every source."""
    found = parts.snapshot.devices.get(device)
    if found is None:
        raise NotFoundError(f"no device {device!r} in the inventory")
    return found
