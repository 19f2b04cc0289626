"""The one app that is served: what AWS SDKs call, and what everybody may read."""

from __future__ import annotations

from starlette.applications import Starlette

from countenance.aws import app as aws
from countenance.service.application import Application
from countenance.settings import Settings
from countenance.web.public import PublicPages


def create_app(application: Application, settings: Settings) -> Starlette:
    """The ASGI app that serves `application`, which stays the caller's to close."""
    public = PublicPages(application.ledger, settings.effective_ledger_folder)
    return aws.create_app(application, settings, routes=public.routes())
