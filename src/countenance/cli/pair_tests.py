"""`countenance fairness test-pairs`: have the pairs of a manifest compared by a running server."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.ledger import KeyOption, claimed_keys
from countenance.cli.output import INTERRUPTED, AsJson, notice, print_json, print_table, progress, say
from countenance.cli.parallel import stopped_by_signals
from countenance.ledger.published import PublishedLog

if TYPE_CHECKING:
    from countenance.fairness.testing.run import Outcome


def pairs(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="A CSV or Parquet table: left and right name the photos of a pair, other columns are yours.",
        ),
    ],
    photos: Annotated[
        Path,
        typer.Argument(metavar="PHOTOS", exists=True, file_okay=False, show_default=False, help="Where they lie."),
    ],
    *,
    endpoint: Annotated[str, typer.Option("--endpoint", metavar="URL", show_default=False, help="The server.")],
    output: Annotated[
        Path,
        typer.Option(metavar="FILE.csv", dir_okay=False, show_default=False, help="Where the scores are written."),
    ],
    face_model_version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="The model to test; that of new collections when absent."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="Profile of the AWS configuration.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", show_default=False, help="The server's region.")
    ] = None,
    key: KeyOption = None,
    as_json: AsJson = False,
) -> None:
    """Have a running server compare labelled pairs of photos, and hold its answers against its public ledger.

    The labels stay here. A test that was interrupted goes on where it was when the same command is given again. The
    access key, for the purpose bias_test, comes from where the AWS SDK looks for it.
    """
    # Imported when needed: the SDK and the readers of tables take a second to load.
    from countenance.fairness.testing.door import Door  # noqa: PLC0415
    from countenance.fairness.testing.manifest import PairManifest  # noqa: PLC0415
    from countenance.fairness.testing.run import PairTest  # noqa: PLC0415

    labelled = PairManifest(manifest, photos)
    with closing(Door(endpoint, region=region, profile=profile)) as door:
        test = PairTest(labelled, door, output, face_model_version)
        with PublishedLog.at(f"{door.endpoint_url}/ledger") as log:
            keys = key or claimed_keys(log)
        with progress("pairs") as bar, stopped_by_signals() as stop:
            task = bar.add_task("Testing", total=labelled.count)
            outcome = test.run(keys, lambda done: bar.update(task, completed=done), stop)
    if outcome is None:
        notice("Interrupted. Give the same command again to go on.")
        raise typer.Exit(INTERRUPTED)
    _print(outcome, output, as_json=as_json)


def _print(outcome: Outcome, output: Path, *, as_json: bool) -> None:
    failures = Counter(failure.code for failure in outcome.failures.values())
    model = outcome.model
    if as_json:
        counts = {"Pairs": outcome.pairs, "Compared": outcome.compared, "Photos": outcome.photos}
        told = {"FailuresToEnrol": dict(failures), "Model": model.model_dump(mode="json", by_alias=True)}
        print_json({**counts, **told, "Scores": str(output)})
        return
    rows = [("pairs", outcome.pairs), ("of them compared", outcome.compared), ("photos", outcome.photos)]
    rows += [(f"failures to enrol: {code}", count) for code, count in failures.most_common()]
    print_table(("What", "Count"), rows)
    say(f"Made by face model version {model.face_model_version}, calibration {model.calibration}, and the files")
    for digest in model.files:
        say(f"  {digest}")
    say("The ledger says the same of every answer, and has its hash.")
    say(f"Written into {output}, and beside it the answers, their receipts, and the photos without a template.")
