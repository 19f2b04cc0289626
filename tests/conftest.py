"""What every test may ask for: the environment scrubbed, real models, real photos."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from countenance.settings import default_model_store
from countenance.vision.models import install
from demo.portraits import fetch

# No test asserts a time, so none fails because the machine is busy with others.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own COUNTENANCE_* and AWS_* variables must not change what the tests see."""
    for name in list(os.environ):
        if name.startswith(("COUNTENANCE_", "AWS_")) and name != "COUNTENANCE_TEST_DATA":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def portraits() -> dict[str, Path]:
    """Sample photos by file name: obama.jpg, obama2.jpg, obama3.jpg, biden.jpg, astronaut.png; coffee.png, faceless."""
    return fetch()


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of installed model files; installs the default set when it is missing."""
    store = default_model_store()
    install.install(store)
    return store


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real photo sets that do not ship with the project."""
    folder = os.environ.get("COUNTENANCE_TEST_DATA")
    if not folder:
        pytest.skip("COUNTENANCE_TEST_DATA is not set")
    return Path(folder)
