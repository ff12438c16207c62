"""The command line: `winnow login | datasets | import | projects | send-batch | train | flush | export`."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import Any, Callable

from winnow import profiles
from winnow.client import Client, Organization
from winnow.datasets import SUFFIXES
from winnow.errors import NotFound, Unauthorized, WinnowError
from winnow.labelsets import FORMATS

EXIT_FAILED, EXIT_USAGE, EXIT_UNAUTHORIZED, EXIT_NOT_FOUND, EXIT_INTERRUPTED = 1, 2, 3, 4, 130

EXAMPLES = """examples:
  winnow login https://winnow.example
  winnow import ./images --dataset cells
  winnow projects --json
  winnow send-batch "Count cells" 100
  winnow train "Count cells" --wait
  winnow flush "Count cells" --threshold 0.9
  winnow export cells-final --format coco --to labels --images

exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 key not accepted, 4 not found, 130 interrupted
"""

TEACHES = {
    "login": (
        "Remember a server and an API key; the key is asked for, or read from a pipe.",
        "Make a key in the organization's settings, API keys. It is kept in a file that only you can read.\n"
        "Several servers: winnow --profile work login https://winnow.work.example",
    ),
    "datasets": ("List the datasets.", "winnow datasets --json | jq -r '.[].name'"),
    "import": (
        "Upload the images of a folder; run again to go on after an interruption.",
        "Names are paths within the folder. What is there already is skipped; exit code 1 when any image failed.",
    ),
    "projects": ("List the projects.", "winnow projects --json | jq -r '.[] | select(.status == \"ready\") | .name'"),
    "send-batch": (
        "Send the least sure images of a project to be labeled.",
        "Some more are drawn at random beside them and labeled blind: they measure the model.",
    ),
    "train": (
        "Train on what is labeled, predict the rest and reorder the queue.",
        "Needs ten labeled images with a box. With --wait the exit code tells how it ended; a cycle that is already\n"
        "running is waited for.",
    ),
    "flush": (
        "Send human labels and sure predictions to the labelset.",
        "With a threshold of 0.9, predictions from that confidence on go as they are; the others stay in the queue.",
    ),
    "export": (
        "Write the labels of a labelset to this machine.",
        "A download that broke off goes on when it is run again.\n"
        "winnow export final --format yolo --split train --to data/train",
    ),
}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        outcome = options.act(options)
    except Unauthorized as error:
        return _fail(error, EXIT_UNAUTHORIZED)
    except NotFound as error:
        return _fail(error, EXIT_NOT_FOUND)
    except (WinnowError, OSError) as error:
        return _fail(error, EXIT_FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted; run it again to go on", EXIT_INTERRUPTED)
    _print(outcome, options.json)
    return EXIT_FAILED if isinstance(outcome, dict) and outcome.get("failed") else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="winnow",
        description="Label image datasets by labeling only what the model is unsure of.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", help="which server of `winnow login` to use, whatever WINNOW_URL says")
    parser.add_argument("--organization", help="slug; by default the organization of the key")
    # Understood after the command too; not given there, what was given before it holds.
    everywhere = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    everywhere.add_argument("--profile", help=argparse.SUPPRESS)
    everywhere.add_argument("--organization", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, act: Callable[[argparse.Namespace], Any]) -> argparse.ArgumentParser:
        text, taught = TEACHES[name]
        sub = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=taught,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[everywhere],
        )
        sub.add_argument("--json", action="store_true", help="print JSON, and no bar")
        sub.set_defaults(act=act)
        return sub

    command("login", _login).add_argument("url", help="of the server, such as https://winnow.example")
    command("datasets", _datasets)
    _import_options(command("import", _import))
    command("projects", _projects)
    send = command("send-batch", _send_batch)
    send.add_argument("project", help="its name")
    send.add_argument("size", type=int, help="how many images")
    train = command("train", _train)
    train.add_argument("project", help="its name")
    train.add_argument("--wait", action="store_true", help="wait for the end, with a bar")
    train.add_argument("--again", action="store_true", help="although nothing was labeled since the last cycle")
    flush = command("flush", _flush)
    flush.add_argument("project", help="its name")
    flush.add_argument("--threshold", type=float, default=0.0, help="least confidence of a prediction, 0 to 1")
    _export_options(command("export", _export))
    return parser


def _import_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", help="with the images, in sub-folders too")
    sub.add_argument("--dataset", required=True, help="its name; made if there is none")
    sub.add_argument("--threads", type=_at_least_one, default=4, help="uploads at a time")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number of at least 1 is needed, not {text!r}")
    return int(text)


def _export_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("labelset", help="its name")
    sub.add_argument("--format", default="coco", choices=FORMATS)
    sub.add_argument("--to", default=".", help="folder, made if there is none")
    sub.add_argument("--images", action="store_true", help="fetch the images as well")
    sub.add_argument("--source", choices=["human", "model", "import"], help="only labels of this origin")
    sub.add_argument("--category", type=int, help="class id: only images with a box of it")
    sub.add_argument("--low", type=float, help="least confidence, 0 to 1")
    sub.add_argument("--high", type=float, help="greatest confidence, 0 to 1")
    sub.add_argument("--split", choices=["train", "val", "test"], help="80 to 10 to 10, by a hash of the name")
    sub.add_argument("--incremental", action="store_true", help="only what has changed since the last one into --to")


def _organization(options: argparse.Namespace) -> Organization:
    return Client(profile=options.profile).organization(options.organization)


def _login(options: argparse.Namespace) -> Any:
    key = getpass.getpass("API key: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not key:
        raise WinnowError("No API key was given: make one under API keys and paste it here.")
    organization = Client(options.url, key).organization(options.organization)
    file = profiles.write(options.profile or profiles.DEFAULT, options.url, key)
    return {"organization": organization.slug, "role": organization.role, "profile": str(file)}


def _datasets(options: argparse.Namespace) -> Any:
    return [{"id": each.id, "name": each.name} for each in _organization(options).datasets()]


def _import(options: argparse.Namespace) -> Any:
    if not Path(options.folder).is_dir():
        raise NotADirectoryError(f"{options.folder} is not a folder.")
    organization = _organization(options)
    try:
        dataset = organization.dataset(options.dataset)
    except NotFound:
        dataset = organization.create_dataset(options.dataset)
    outcome = dataset.upload(options.folder, threads=options.threads, progress=not options.json)
    if not (outcome.created or outcome.skipped or outcome.failed):
        raise WinnowError(f"There is no picture in {options.folder}: its name ends with {', '.join(sorted(SUFFIXES))}.")
    failed = [{"name": name, "reason": reason} for name, reason in outcome.failed]
    return {"created": len(outcome.created), "skipped": len(outcome.skipped), "failed": failed}


def _projects(options: argparse.Namespace) -> Any:
    return [{"id": each.id, "name": each.name, "status": each.status} for each in _organization(options).projects()]


def _send_batch(options: argparse.Namespace) -> Any:
    return _organization(options).project(options.project).active_learning.send_batch(options.size)


def _train(options: argparse.Namespace) -> Any:
    learning = _organization(options).project(options.project).active_learning
    running = learning.running() if options.wait else None
    if running is not None and running.data["kind"] == "cycle":
        return running.wait(progress=not options.json).data
    return learning.train(wait=options.wait, again=options.again, progress=not options.json).data


def _flush(options: argparse.Namespace) -> Any:
    learning = _organization(options).project(options.project).active_learning
    return learning.flush(options.threshold, progress=not options.json).data


def _export(options: argparse.Namespace) -> Any:
    chosen = {name: getattr(options, name) for name in ("source", "category", "low", "high", "split")}
    file = _organization(options).labelset(options.labelset).export(
        options.format, to=options.to, images=options.images, incremental=options.incremental,
        progress=not options.json, **{name: value for name, value in chosen.items() if value is not None},
    )  # fmt: skip
    return {"file": str(file)}


def _print(outcome: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(outcome, indent=1))
        return
    for row in outcome if isinstance(outcome, list) else [outcome]:
        print("  ".join(f"{key}: {_shown(value)}" for key, value in row.items() if value not in ("", None, {})))
        for each in (each for value in row.values() if isinstance(value, list) for each in value):
            print("  " + ": ".join(map(str, each.values())))


def _shown(value: Any) -> str:
    """A list by its length: what is in it follows below. A dictionary by its members."""
    if isinstance(value, list):
        return str(len(value))
    return ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)


def _fail(error: Exception | str, code: int) -> int:
    print(f"winnow: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
