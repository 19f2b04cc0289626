"""Use cases that move a whole collection: into a file, and out of one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from countenance.gallery.collection_file import read_header
from countenance.gallery.collections import Collection
from countenance.gallery.exchange import export_collection, import_collection
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.collections import declared_by
from countenance.service.uses import Uses
from countenance.storage.database import Database
from countenance.vision.analysis import Vision


class Exchange:
    """Exports and imports collections with their templates; docs/collection-file.md describes the file."""

    def __init__(self, uses: Uses, database: Database, vision: Vision) -> None:
        self._uses = uses
        self._database = database
        self._vision = vision

    def export(self, caller: Caller, collection_id: str, path: Path) -> Collection:
        """Write the collection into a new file, readable by its owner only.

        Raises `ResourceNotFound`, and `ResourceAlreadyExists` when there is such a file.
        """
        with self._uses.use(caller, Action.EXPORT_COLLECTION, collection_id) as use:
            collection = export_collection(self._database, use.collection.collection_id, path)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            use.details(faces=collection.face_count, users=collection.user_count, sha256=digest)
            return collection

    def import_(self, caller: Caller, path: Path, collection_id: str | None = None) -> Collection:
        """Make the collection of a file, under its own id or `collection_id`; all of it or nothing.

        It is the caller's, whoever exported it; tags of it that govern are a use of their own, as in `create`.
        Raises `InvalidParameter` for a file that is not one or is damaged, `Misconfigured` when the recognizer that
        made its templates is not installed, `ResourceAlreadyExists`.
        """
        header = read_header(path)
        name = collection_id or header.collection_id
        governance = declared_by(self._uses, caller, name, header.tags)
        with self._uses.use(caller, Action.IMPORT_COLLECTION, name) as use:
            version = header.face_model_version
            collection = import_collection(
                self._database,
                path,
                dimensions={version: self._vision.recognizer(version).dimension},
                collection_id=collection_id,
                governance=governance,
                kept=use.kept_until(caller.authorization),
            )
            use.by(version)
            use.record.collection = collection.uid
            use.enrolled(collection.face_count)
            return collection
