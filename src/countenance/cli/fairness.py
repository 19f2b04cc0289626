"""`countenance fairness`: measure error rates by demographic group, and let models serve that have passed."""

from __future__ import annotations

import typer

from countenance.cli.audits import audit, compare, threshold
from countenance.cli.calibration import calibrate
from countenance.cli.pair_tests import pairs
from countenance.cli.qualifications import app as qualifications
from countenance.cli.qualifications import qualify, waive

app = typer.Typer(
    no_args_is_help=True, help="Measure error rates by demographic group, and let models serve that have passed."
)
app.command()(audit)
app.command()(threshold)
app.command()(compare)
app.command()(calibrate)
app.command()(qualify)
app.command()(waive)
app.add_typer(qualifications, name="qualifications")
app.command("test-pairs")(pairs)
