"""The example that brings its own detector, run as a user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import winnow

from apps.accounts.models import Organization, User
from apps.autolabel.models import Learner, Prediction
from tests.autolabel.loop import make_loop
from tests.conftest import ROOT, WorkerProcess
from tests.sdk.conftest import ServerProcess

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_example_learns_predicts_and_is_measured(
    server: ServerProcess,
    worker: WorkerProcess,
    connect: Callable[[str], winnow.Organization],
    secret: str,
    organization: Organization,
    owner: User,
) -> None:
    loop = make_loop(organization, owner, images=70)
    project = connect(server.url).project("Loop")
    project.configure("ACTIVE_LEARNING", learner="external")
    loop.send(50)
    loop.label()
    environment = os.environ | {"WINNOW_URL": server.url, "WINNOW_API_KEY": secret}
    done = subprocess.run(
        [sys.executable, "examples/own_detector.py", "Loop"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = re.search(r"cycle 1: agreement (\S+) on (\d+) held-out images", done.stdout)
    assert said is not None, done.stdout
    assert int(said[2]) == 10 and float(said[1]) > 0.8
    current = Learner.objects.get().current
    assert current is not None and current.is_calibrated
    assert Prediction.objects.filter(cycle=current, rank__isnull=False).count() == 20
    assert project.active_learning.send_batch(5)["audits"] == 3
    assert loop.count("LABEL", "waiting") == 8


def test_predictions_that_are_all_refused_close_nothing(
    live_server: Any, secret: str, organization: Organization, owner: User
) -> None:
    loop = make_loop(organization, owner, images=24)
    project = winnow.Client(live_server.url, secret).organization("acme").project("Loop")
    project.configure("ACTIVE_LEARNING", learner="external")
    loop.send(18)
    loop.label(16)
    info = project.learning.get_learning_info()
    wrong = [{"taskId": row["taskId"], "labels": [], "score": 2} for row in info["unlabeled"]]
    with pytest.raises(winnow.WinnowError, match=r"stays open; the first: score must be"):
        project.learning.update_tasks(info["cycle"], wrong, progress=False)
    assert project.learning.get_learning_info(trigger=False)["predicted"] == 0
