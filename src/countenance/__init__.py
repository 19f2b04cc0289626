"""A self-hosted face recognition server that speaks Amazon Rekognition's API and accounts for every use of it."""

from importlib.metadata import version

__version__ = version("countenance")
