"""What the warehouse's benchmarks share: a Winnow of their own, one process a size, and its peak memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

Figures = dict[str, Any]


def peak_mb() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(
    script: str,
    sizes: Sequence[int],
    out: Path | None,
    arguments: Sequence[str] = (),
    others: Sequence[Figures] = (),
) -> None:
    """Run `script --size N` for each size in a database of its own; print a table, with those of `others`; write JSON."""
    import django

    django.setup()
    from config.sandbox import Sandbox

    rows: list[Figures] = []
    with Sandbox("benchmark", (), keep=False, more={"LOG_LEVEL": "WARNING"}) as sandbox:
        for size in sizes:
            command = [sys.executable, script, "--size", str(size), *arguments]
            done = subprocess.run(command, cwd=ROOT, env=sandbox.environment, stdout=subprocess.PIPE, check=True)
            rows += json.loads(done.stdout.splitlines()[-1])
            if len(rows) == 1 or size == sizes[0]:
                print("  ".join(f"{name:>14}" for name in rows[0]))
            for row in rows[-(len(rows) // (sizes.index(size) + 1)) :]:
                print("  ".join(f"{_shown(value):>14}" for value in row.values()), flush=True)
    for row in others:
        print("  ".join(f"{_shown(value):>14}" for value in row.values()))
    rows += others
    if out:
        out.write_text(json.dumps(rows, indent=2) + "\n")


def _shown(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def in_django(action: Callable[[int], list[Figures]], size: int) -> None:
    """Do it in this process and print what came of it, for the process that asked."""
    import django

    django.setup()
    print(json.dumps(action(size)))
