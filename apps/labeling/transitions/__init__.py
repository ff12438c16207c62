"""The only writers of a task's stage, state and lease: lock, guard, change, one event, in one transaction."""

from apps.labeling.transitions.creation import Chunk, create_labeled_tasks, create_tasks
from apps.labeling.transitions.many import (
    assign,
    flush_move,
    move_to,
    reassign,
    recall,
    release,
    release_member,
    renew_leases,
    send,
    set_priority,
    unflush,
)
from apps.labeling.transitions.moves import Source
from apps.labeling.transitions.one import (
    accept,
    reject,
    reopen,
    report_problem,
    resolve_problem,
    save,
    skip,
    submit,
    submit_remote,
)

__all__ = [
    "Chunk",
    "Source",
    "accept",
    "assign",
    "create_labeled_tasks",
    "create_tasks",
    "flush_move",
    "move_to",
    "reassign",
    "recall",
    "reject",
    "release",
    "release_member",
    "renew_leases",
    "reopen",
    "report_problem",
    "resolve_problem",
    "save",
    "send",
    "set_priority",
    "skip",
    "submit",
    "submit_remote",
    "unflush",
]
