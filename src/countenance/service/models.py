"""Use cases on face models: which are needed, which are installed, and installing them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countenance.settings import Settings
from countenance.vision.models.cards import Catalogue, ModelCard
from countenance.vision.models.install import Status, install, verify


class ModelAdministration:
    """Keeps the model store. It needs neither database nor loaded models, so that it works before either is there."""

    def __init__(self, settings: Settings) -> None:
        """Raises `Misconfigured` for model cards that are not valid."""
        self._settings = settings
        self._catalogue = Catalogue(settings.models)

    def states(self) -> Sequence[Status]:
        """Every file of every known model, and what is found in its place."""
        return verify(self._settings.model_store, self._catalogue)

    def verify(self, names: Sequence[str] | None = None) -> Sequence[Status]:
        """The files of the named models, or of those that the settings need, and what is found in their places.

        Raises `Misconfigured` for a name that no card has.
        """
        return verify(self._settings.model_store, self._chosen(names))

    def install(self, names: Sequence[str] | None = None, *, source: Path | None = None) -> Sequence[Status]:
        """Install what is missing of the named models, or of those that the settings need; what was installed.

        `source` is a folder to take files or packages from instead of the registry. Raises `Misconfigured`.
        """
        return install(self._settings.model_store, self._chosen(names), source=source)

    def _chosen(self, names: Sequence[str] | None) -> list[ModelCard]:
        if names is not None:
            return [self._catalogue.card(name) for name in names]
        recognizer = self._catalogue.card(self._settings.recognizer)
        return [card for card in self._catalogue if card.default or card is recognizer]
