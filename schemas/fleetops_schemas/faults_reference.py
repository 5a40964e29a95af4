"""Renders ``docs/reference/faults.md`` from the fault data."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from fleetops_schemas.faults import FaultCatalog, FaultCode, load_faults

REFERENCE_PAGE = "docs/reference/faults.md"

_HEAD = """# Faults

Generated from `schemas/fleetops_schemas/faults/*.yaml` by
`python -m fleetops_schemas.faults_reference`; do not edit. Facts of {date}.

Severity and action of a kind are the default; a code, or the line that carries it, may say
otherwise. Only `drain` and stronger ever lead to an act on a node, and only inside the
policy.

An installation that judges differently names its own file (`faults_file` of the `kernel_log`
collector), which holds only what differs:

```yaml
xid:
  160: {{severity: critical, action: drain}}
kinds:
  slow_rank: {{action: inspect}}
```
"""


def render_faults(catalog: FaultCatalog) -> str:
    """The page, as Markdown."""
    kinds = [
        (f"`{kind.name}`", kind.severity.value, kind.action.value, kind.description, kind.source)
        for kind in catalog.kinds.values()
    ]
    sources = "\n".join(f"- `{name}`: {text}" for name, text in sorted(catalog.sources.items()))
    parts = [
        _HEAD.format(date=catalog.date.isoformat()),
        "## Kinds\n",
        _table(("kind", "severity", "action", "what it is", "source"), kinds),
        f"\n## Sources\n\n{sources}\n",
        "\n## Xid codes of NVIDIA accelerators\n",
        _codes(catalog.xids.values()),
        "\n## SXid codes of NVIDIA NVSwitch\n",
        "\nA line that calls itself fatal is acted on unless the code is never fatal.\n",
        _codes(catalog.sxids.values()),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _codes(codes: Iterable[FaultCode]) -> str:
    rows = [
        (
            str(code.code),
            f"`{code.kind}`",
            code.severity.value,
            code.action.value,
            code.vendor_advice,
            ". ".join(text for text in (code.text, code.note) if text),
        )
        for code in sorted(codes, key=lambda code: code.code)
    ]
    return _table(("code", "kind", "severity", "action", "vendor's advice", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    page = Path(sys.argv[1] if len(sys.argv) > 1 else REFERENCE_PAGE)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render_faults(load_faults()), "utf-8")
