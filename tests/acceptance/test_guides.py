"""The guides, word by word: what they say to type is typed, in order, and must answer what they show.

Blocks of `sh` and `python` are run in one shell, in a fresh folder, against a real server. A block of `text` below one
is what it prints, where an ellipsis stands for what differs each time; how it is folded does not matter. A command with
the comment `# status 1` ends with it, all others with 0.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPERATORS = ROOT / "docs" / "guide-for-operators.md"
CHECKERS = ROOT / "docs" / "guide-for-checkers.md"

# What installing the package puts beside the interpreter.
COUNTENANCE = Path(sys.executable).with_name("countenance")

# The addresses that the guides have, and the verifier key and receipt that stand for those of a real log.
SERVER, WITNESS = "127.0.0.1:8750", "127.0.0.1:8751"
SITE = "https://faces.example.org"
RECEIPT = "RECEIPT=106"
VKEY = "faces.example.org/ledger+8f13f9e4+AYqIexample"

# Seconds that one guide may take: each command takes a few, on a machine that is busy.
GUIDE_SECONDS = 900
START_SECONDS = 120

# What of the machine's environment is there: where programs, models and portraits are.
KEPT = ("PATH", "HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")

MOST_LINES = {OPERATORS: 270, CHECKERS: 90}

# Where Debian's golang-golang-x-mod-dev has the packages.
GOPATH = "/usr/share/gocode"


@dataclass(frozen=True)
class Step:
    """A block of a guide: what is typed, and what is shown to come of it."""

    language: str
    code: str
    shown: str | None

    @property
    def name(self) -> str:
        """Its first line."""
        return self.code.strip().splitlines()[0][:80]


@dataclass(frozen=True)
class Done:
    """What came of a step: everything printed, and the commands that failed, each after its status."""

    printed: str
    failed: Sequence[str]


def blocks(document: Path) -> Iterator[tuple[str, str]]:
    """Language and content of every block, in order."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def steps(document: Path) -> list[Step]:
    """What is to be run, with what is shown below it."""
    found: list[Step] = []
    before = None
    for language, content in blocks(document):
        if language in {"sh", "python"}:
            found.append(Step(language, content, None))
        elif language == "text":
            assert before in {"sh", "python"}, f"nothing is run above {content!r}"
            found[-1] = Step(found[-1].language, found[-1].code, content)
        before = language
    return found


def run(guide: Sequence[Step], folder: Path, words: Mapping[str, str], **environment: str) -> list[Done]:
    """Run the steps in one shell; `words` of the guide are others here."""
    results = folder / "results"
    results.mkdir()
    lines = ["set -o pipefail", "trap 'trap - ERR; kill $(jobs -p) 2>/dev/null; wait' EXIT"]
    for number, step in enumerate(guide):
        code = step.code if step.language == "sh" else f"python <<'PYTHON'\n{step.code}PYTHON\n"
        for word, here in words.items():
            code = code.replace(word, here)
        lines += [
            f"exec >{results}/{number}.out 2>&1",
            f"trap 'echo $? $BASH_COMMAND >>{results}/{number}.failed' ERR",
            code,
        ]
    script = folder / "guide.sh"
    script.write_text("\n".join(lines))
    quiet = {"PYTHONUNBUFFERED": "1", "AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    shell = subprocess.Popen(
        ["bash", script],
        cwd=folder,
        env=kept_environment() | quiet | environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        shell.wait(GUIDE_SECONDS)
    finally:
        _end(shell)
    done = []
    for number in range(len(guide)):
        output, failed = results / f"{number}.out", results / f"{number}.failed"
        printed = output.read_text() if output.exists() else "(it was never reached)"
        for word, here in words.items():
            printed = printed.replace(here, word)
        done.append(Done(printed, failed.read_text().splitlines() if failed.exists() else []))
    return done


def kept_environment() -> dict[str, str]:
    """Nothing of the developer's own settings."""
    return {name: os.environ[name] for name in KEPT if name in os.environ}


def _end(shell: subprocess.Popen[bytes]) -> None:
    """End whatever the shell has started and left behind."""
    try:
        os.killpg(shell.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    shell.wait(START_SECONDS)


def told(text: str) -> str:
    """What is printed, however it is folded and ruled, without progress bars."""
    lines = [line for line in text.splitlines() if "━" not in line]
    return re.sub(r"─+", "─", " ".join(" ".join(lines).split()))


def pattern(shown: str) -> str:
    """The regular expression of what is shown."""
    return r".*?".join(re.escape(part) for part in told(shown).split("…"))


def check(step: Step, done: Done) -> None:
    """That the step came to what the guide shows."""
    assert len(done.failed) == step.code.count("# status 1"), f"{done.failed}\n{done.printed}"
    assert all(failed.startswith("1 ") for failed in done.failed), f"{done.failed}\n{done.printed}"
    if step.shown is not None:
        printed = told(done.printed)
        assert re.fullmatch(pattern(step.shown), printed, re.DOTALL), f"{step.code}\nprints\n{done.printed}"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def checkout(folder: Path) -> Path:
    """A folder that is to a reader what they cloned and installed."""
    for name in ("demo", "tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


OPERATORS_STEPS, CHECKERS_STEPS = steps(OPERATORS), steps(CHECKERS)


@dataclass(frozen=True)
class Office:
    """Where the operator's guide was worked through."""

    folder: Path
    done: Sequence[Done]


@pytest.fixture(scope="module")
def office(models: Path, portraits: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Office:
    assert models.exists()
    assert portraits
    folder = checkout(tmp_path_factory.mktemp("operator"))
    listen, witness = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    done = run(OPERATORS_STEPS, folder, {SERVER: listen, WITNESS: witness}, COUNTENANCE_LISTEN=listen)
    return Office(folder / "guide", done)


@pytest.fixture(scope="module")
def site(office: Office) -> Iterator[str]:
    """The operator's server again, for those who check it."""
    listen = f"127.0.0.1:{free_port()}"
    environment = {
        "COUNTENANCE_DATA": str(office.folder / "data"),
        "COUNTENANCE_LEDGER_FOLDER": str(office.folder / "public" / "ledger"),
        "COUNTENANCE_LISTEN": listen,
    }
    with (office.folder / "site.log").open("w") as log:
        server = subprocess.Popen(
            [COUNTENANCE, "serve", "--json"],
            env=kept_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert server.stdout is not None
        assert server.stdout.readline(), (office.folder / "site.log").read_text()
        yield f"http://{listen}"
        server.terminate()
        server.wait(START_SECONDS)
        server.stdout.close()


@pytest.fixture(scope="module")
def checked(office: Office, site: str, tmp_path_factory: pytest.TempPathFactory) -> list[Done]:
    folder = tmp_path_factory.mktemp("checker")
    (folder / "countenance").mkdir()
    checkout(folder / "countenance")
    for file in office.folder.glob("for-the-lawyer/*.tlog-proof"):
        shutil.copy(file, folder)
    receipt = max(office.folder.glob("for-the-lawyer/*.tlog-proof"), key=lambda file: int(file.stem)).stem
    vkey = (office.folder / "data" / "ledger.vkey").read_text().strip()
    path = f"{sys.prefix}/bin{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return run(CHECKERS_STEPS, folder, {SITE: site, VKEY: vkey, RECEIPT: f"RECEIPT={receipt}"}, PATH=path)


@pytest.mark.parametrize("number", range(len(OPERATORS_STEPS)), ids=[step.name for step in OPERATORS_STEPS])
def test_what_operators_type_answers_what_their_guide_shows(office: Office, number: int) -> None:
    check(OPERATORS_STEPS[number], office.done[number])


@pytest.mark.parametrize("number", range(len(CHECKERS_STEPS)), ids=[step.name for step in CHECKERS_STEPS])
def test_what_checkers_type_answers_what_their_guide_shows(checked: Sequence[Done], number: int) -> None:
    step = CHECKERS_STEPS[number]
    if "go run" in step.code and (shutil.which("go") is None or not Path(GOPATH).is_dir()):
        pytest.skip("Go is not installed: apt install golang-go golang-golang-x-mod-dev")
    check(step, checked[number])


def test_nginx_serves_the_ledger_as_the_guide_configures_it(office: Office, tmp_path: Path) -> None:
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed: apt install nginx-light")
    (configuration,) = [content for language, content in blocks(OPERATORS) if language == "nginx"]
    port = free_port()
    here = configuration.replace("listen 80;", f"listen 127.0.0.1:{port};")
    here = here.replace("/srv/public", str(office.folder / "public"))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    user = "user root;" if os.getuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; {user} pid {tmp_path}/pid; events {{}}\nhttp {{\naccess_log off;\n{places}{here}}}\n"
    )
    log = tmp_path / "log"
    server = subprocess.Popen([nginx, "-e", log, "-c", tmp_path / "nginx.conf", "-p", tmp_path])
    try:
        url = f"http://127.0.0.1:{port}/ledger"
        _until_it_answers(f"{url}/checkpoint", server, log)
        vkey = str(office.folder / "data" / "ledger.vkey")
        command = [str(COUNTENANCE), "ledger", "verify", url, "--key", vkey]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout.startswith("Verified: the "), done.stderr
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{url}/.lock")
    finally:
        server.terminate()
        server.wait(START_SECONDS)


def _until_it_answers(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.mark.parametrize("document", [OPERATORS, CHECKERS], ids=lambda document: document.stem)
def test_the_guides_stay_short(document: Path) -> None:
    assert len(document.read_text("utf-8").splitlines()) <= MOST_LINES[document]
