"""kill -9 of PostgreSQL under load: what was acknowledged is there, what was not is finished by its repeat."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.programs import PROJECT

pytestmark = pytest.mark.faults


def test_postgres_killed_under_load_loses_no_acknowledged_payment(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment = inherited | {"DJANGO_SETTINGS_MODULE": "paycore.settings", "PAYCORE_ENV": "test"}
    command = [sys.executable, "-m", "paycore.embedded", "--with-parent", "--state", str(tmp_path / "state")]
    done = subprocess.run(
        [*command, "exec", "--", sys.executable, "-m", "tests.faults.load"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    story = json.loads(done.stdout.strip().splitlines()[-1])
    print(story)
    assert story["acknowledged"] > 50
    assert len(story["seconds_down"]) == 3
    assert story["lost"] == story["not_succeeded"] == []
    assert story["taken_but_unknown"] == story["believed_but_not_taken"] == []
    assert story["orders"] == story["acknowledged"]
    assert story["invariants"] == []
    assert sum(story["statuses"].get(str(status), 0) for status in (500,)) == 0, story["statuses"]
