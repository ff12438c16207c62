"""The command line: `winnow login | datasets | import | projects | send-batch | train | flush | export`."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from typing import Any, Callable

from winnow import profiles
from winnow.client import Client, Organization
from winnow.errors import NotFound, ServerError, Unauthorized, WinnowError

EXIT_FAILED, EXIT_USAGE, EXIT_UNAUTHORIZED, EXIT_NOT_FOUND = 1, 2, 3, 4

EXAMPLES = """examples:
  winnow login https://winnow.example
  winnow import ./images --dataset cells
  winnow projects --json
  winnow send-batch "Count cells" 100
  winnow train "Count cells" --wait
  winnow flush "Count cells" --threshold 0.9
  winnow export cells-final --format coco --to labels --images

exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 key not accepted, 4 not found
"""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        outcome = options.act(options)
    except Unauthorized as error:
        return _fail(error, EXIT_UNAUTHORIZED)
    except NotFound as error:
        return _fail(error, EXIT_NOT_FOUND)
    except (ServerError, WinnowError, OSError) as error:
        return _fail(error, EXIT_FAILED)
    _print(outcome, options.json)
    return 1 if isinstance(outcome, dict) and outcome.get("failed") else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="winnow",
        description="Label image datasets by labeling only what the model is unsure of.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", default="default", help="which server of `winnow login` to use")
    parser.add_argument("--organization", help="slug; by default the organization of the key")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, act: Callable[[argparse.Namespace], Any], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="print JSON")
        sub.set_defaults(act=act)
        return sub

    login = command("login", _login, "Remember a server and an API key; the key is asked for, or read from a pipe.")
    login.add_argument("url")
    command("datasets", _datasets, "List the datasets.")
    upload = command("import", _import, "Upload the images of a folder; run again to go on after an interruption.")
    upload.add_argument("folder")
    upload.add_argument("--dataset", required=True, help="made if there is none of that name")
    upload.add_argument("--threads", type=int, default=4)
    command("projects", _projects, "List the projects.")
    send = command("send-batch", _send_batch, "Send the least sure images of a project to be labeled.")
    send.add_argument("project")
    send.add_argument("size", type=int)
    train = command("train", _train, "Train on what is labeled, predict the rest and reorder the queue.")
    train.add_argument("project")
    train.add_argument("--wait", action="store_true", help="wait for the end, with a bar")
    flush = command("flush", _flush, "Send human labels and sure predictions to the labelset.")
    flush.add_argument("project")
    flush.add_argument("--threshold", type=float, default=0.0, help="least confidence of a prediction, 0 to 1")
    export = command("export", _export, "Write the labels of a labelset to this machine.")
    export.add_argument("labelset")
    export.add_argument("--format", default="coco", choices=["coco", "yolo", "voc", "csv", "redbrick"])
    export.add_argument("--to", default=".", help="folder")
    export.add_argument("--images", action="store_true", help="fetch the images as well")
    return parser


def _organization(options: argparse.Namespace) -> Organization:
    return Client(profile=options.profile).organization(options.organization)


def _login(options: argparse.Namespace) -> Any:
    key = getpass.getpass("API key: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    organization = Client(options.url, key).organization(options.organization)
    file = profiles.write(options.profile, options.url, key)
    return {"organization": organization.slug, "role": organization.role, "profile": str(file)}


def _datasets(options: argparse.Namespace) -> Any:
    return [{"id": each.id, "name": each.name} for each in _organization(options).datasets()]


def _import(options: argparse.Namespace) -> Any:
    organization = _organization(options)
    try:
        dataset = organization.dataset(options.dataset)
    except NotFound:
        dataset = organization.create_dataset(options.dataset)
    outcome = dataset.upload(options.folder, threads=options.threads, progress=not options.json)
    failed = [{"name": name, "reason": reason} for name, reason in outcome.failed]
    return {"created": len(outcome.created), "skipped": len(outcome.skipped), "failed": failed}


def _projects(options: argparse.Namespace) -> Any:
    return [{"id": each.id, "name": each.name, "status": each.status} for each in _organization(options).projects()]


def _send_batch(options: argparse.Namespace) -> Any:
    return _organization(options).project(options.project).active_learning.send_batch(options.size)


def _train(options: argparse.Namespace) -> Any:
    learning = _organization(options).project(options.project).active_learning
    return learning.train(wait=options.wait, progress=not options.json).data


def _flush(options: argparse.Namespace) -> Any:
    learning = _organization(options).project(options.project).active_learning
    return learning.flush(options.threshold, progress=not options.json).data


def _export(options: argparse.Namespace) -> Any:
    labelset = _organization(options).labelset(options.labelset)
    file = labelset.export(options.format, to=options.to, images=options.images, progress=not options.json)
    return {"file": str(file)}


def _print(outcome: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(outcome, indent=1))
        return
    for row in outcome if isinstance(outcome, list) else [outcome]:
        print("  ".join(f"{key}: {value}" for key, value in row.items()))


def _fail(error: Exception, code: int) -> int:
    print(f"winnow: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
