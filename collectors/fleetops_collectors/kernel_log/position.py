"""How far a log was read, and what one round took from there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_ROUND_BYTES = 4 * 1024 * 1024
"""What one round reads at most; the rest is read in the next."""
HEAD_BYTES = 64


class Position(BaseModel):
    """How far a log was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["file", "kmsg", "journal"] = "file"
    inode: int = 0
    """file: 0 is the beginning of whatever file comes."""
    offset: int = Field(default=0, ge=0)
    head_bytes: int = Field(default=0, ge=0, le=HEAD_BYTES)
    head_crc: int = 0
    """file: checksum of its first bytes, to tell a truncated and refilled file from the old one."""
    boot_id: str = ""
    sequence: int = -1
    """kmsg: the last record read, of that boot."""
    cursor: str = Field(default="", max_length=512)
    """journal: the last entry read."""
    since: int = Field(default=0, ge=0)
    """journal: while no entry was read, the time (seconds since 1970) from which they count."""

    @classmethod
    def from_cursor(cls, cursor: str) -> Position | None:
        """The position in a stored cursor, or None where it is none."""
        try:
            return cls.model_validate_json(cursor)
        except ValidationError:
            return None


@dataclass(slots=True)
class Chunk:
    """Lines of one round, what identifies each, and where the next round starts."""

    end: Position
    lines: list[bytes] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    """By line: stable while the line exists, over restarts and rotation by renaming."""
    lost: int = 0
    """Records that were overwritten before they were read."""
    warnings: list[str] = field(default_factory=list)
