"""`countenance collections`: create, list, describe, tag and delete collections."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countenance.cli.configuration import opened, with_settings
from countenance.cli.identifiers import valid
from countenance.cli.listings import every
from countenance.cli.output import AsJson, print_json, print_table, say
from countenance.settings import Settings

if TYPE_CHECKING:
    from countenance.gallery.collections import Collection
    from countenance.service.application import Application

CollectionArgument = Annotated[
    str, typer.Argument(metavar="COLLECTION", parser=valid("CollectionId"), show_default=False, help="CollectionId.")
]
CollectionOption = Annotated[
    str,
    typer.Option(
        "--collection", "-c", metavar="ID", parser=valid("CollectionId"), show_default=False, help="CollectionId."
    ),
]

app = typer.Typer(no_args_is_help=True, help="Create, list, describe, tag and delete collections.")

_tag_key, _tag_value = valid("TagKey"), valid("TagValue")


def tag(value: str) -> tuple[str, str]:
    """A parser of KEY=VALUE."""
    key, separator, content = value.partition("=")
    if not separator:
        raise typer.BadParameter("a tag is KEY=VALUE")
    return _tag_key(key), _tag_value(content)


TagOptions = Annotated[
    list[Any] | None, typer.Option("--tag", metavar="KEY=VALUE", parser=tag, help="A tag; give as many as needed.")
]
TagArguments = Annotated[
    list[Any], typer.Argument(metavar="KEY=VALUE...", parser=tag, show_default=False, help="Tags.")
]


@app.command()
@with_settings("data", "recognizer")
def create(
    settings: Settings, collection: CollectionArgument, tags: TagOptions = None, as_json: AsJson = False
) -> None:
    """Create an empty collection, bound for good to the recognizer in the settings."""
    with opened(settings, creates=True) as application:
        created = application.collections.create(application.locals.caller(), collection, dict(tags or []))
    if as_json:
        print_json(_structure(created))
    else:
        say(f"Created {created.collection_id} for face model version {created.face_model_version}.")


@app.command("list")
@with_settings("data")
def list_(settings: Settings, as_json: AsJson = False) -> None:
    """List all collections."""
    with opened(settings) as application:
        found = list(every(lambda token: application.collections.list(application.locals.caller(), token=token)))
    if as_json:
        print_json({"Collections": [_structure(collection) for collection in found]})
    else:
        print_table(
            ("Collection", "Faces", "Users", "Face model version", "Created"),
            (
                (one.collection_id, one.face_count, one.user_count, one.face_model_version, _when(one.created_at))
                for one in found
            ),
        )


@app.command()
@with_settings("data")
def describe(settings: Settings, collection: CollectionArgument, as_json: AsJson = False) -> None:
    """Say how many faces and users a collection has, which face model made it, and its tags."""
    with opened(settings) as application:
        described = application.collections.describe(application.locals.caller(), collection)
        tags = dict(application.collections.tags(application.locals.caller(), collection))
    if as_json:
        print_json({**_structure(described), "Tags": tags})
    else:
        facts = {
            "Collection": described.collection_id,
            "Faces": described.face_count,
            "Users": described.user_count,
            "Face model version": described.face_model_version,
            "Created": _when(described.created_at),
            "Tags": ", ".join(f"{key}={value}" for key, value in tags.items()),
        }
        print_table(("Fact", "Value"), ((fact, str(value)) for fact, value in facts.items()))


@app.command()
@with_settings("data")
def delete(
    settings: Settings,
    collection: CollectionArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a collection with its faces, users and tags. There is no way back but an export."""
    with opened(settings) as application:
        described = application.collections.describe(application.locals.caller(), collection)
        if not yes:
            typer.confirm(f"Erase {collection} with its {described.face_count} faces?", abort=True, err=True)
        application.collections.delete(application.locals.caller(), collection)
    if as_json:
        print_json({"CollectionId": collection, "DeletedFaceCount": described.face_count})
    else:
        say(f"Erased {collection} with its {described.face_count} faces.")


@app.command("tag")
@with_settings("data")
def tag_(settings: Settings, collection: CollectionArgument, tags: TagArguments, as_json: AsJson = False) -> None:
    """Add tags, or overwrite those of the same key."""
    with opened(settings) as application:
        application.collections.tag(application.locals.caller(), collection, dict(tags))
        _print_tags(application, collection, as_json=as_json)


@app.command()
@with_settings("data")
def untag(
    settings: Settings,
    collection: CollectionArgument,
    tag_keys: Annotated[
        list[Any], typer.Argument(metavar="KEY...", parser=_tag_key, show_default=False, help="Keys of tags.")
    ],
    as_json: AsJson = False,
) -> None:
    """Remove tags; keys that are not there are ignored."""
    with opened(settings) as application:
        application.collections.untag(application.locals.caller(), collection, tag_keys)
        _print_tags(application, collection, as_json=as_json)


def _print_tags(application: Application, collection: str, *, as_json: bool) -> None:
    tags = dict(application.collections.tags(application.locals.caller(), collection))
    if as_json:
        print_json({"Tags": tags})
    else:
        print_table(("Key", "Value"), tags.items())


def _structure(collection: Collection) -> dict[str, object]:
    return {
        "CollectionId": collection.collection_id,
        "FaceModelVersion": collection.face_model_version,
        "FaceCount": collection.face_count,
        "UserCount": collection.user_count,
        "CreationTimestamp": collection.created_at,
    }


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
