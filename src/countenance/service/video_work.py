"""The workers: threads of a server that take up jobs on videos and carry them out, segment by segment.

Several servers on one database each have some; a job whose server was killed is taken up by another when its lease has
run out, or after a restart, where its last whole segment ended.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading

import structlog

from countenance.errors import Unaccountable
from countenance.service.notices import Announcer
from countenance.service.video_shift import Shift, Stopped, Tools
from countenance.video.jobs import LeaseLost

# How often a worker looks for jobs that another server took on, and how soon it tries again what failed by itself.
POLL_SECONDS = 1.0
RETRY_SECONDS = 15.0

log = structlog.get_logger("countenance.videos")


class VideoWork:
    """Carries out the jobs of a database. `start` begins its threads, `close` ends them at once."""

    def __init__(self, tools: Tools, announcer: Announcer) -> None:
        self._tools = tools
        self._jobs = tools.jobs
        self._announcer = announcer
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"video-{number}", daemon=True)
            for number in range(tools.settings.video_workers)
        ]
        self._threads.append(threading.Thread(target=self._tell, name="video-notices", daemon=True))

    def start(self) -> None:
        """Begin. What a server that was killed had fetched goes."""
        self._sweep_folder()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End: jobs that are under way are left to whoever comes next."""
        self._closed.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def work(self) -> bool:
        """Take up one job and carry it out; whether there was one."""
        worker = secrets.token_hex(16)
        job = self._jobs.claim(worker, self._now())
        if job is None:
            return False
        with structlog.contextvars.bound_contextvars(job=job.job_id, kind=job.kind):
            try:
                Shift(self._tools, job, worker, self._closed).carry_out()
            except LeaseLost:
                log.info("job_lost")  # somebody else has it
            except Stopped:
                self._jobs.release(job, worker, self._now(), blameless=True)
            except Unaccountable as error:
                log.error("job_not_recorded", reason=error.message)
                self._jobs.release(job, worker, self._now() + RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - taken up again; after some attempts it ends as failed
                log.error("job_failed", error=type(error).__name__)
                self._jobs.release(job, worker, self._now() + RETRY_SECONDS)
        return True

    def announce(self) -> int:
        """Tell whoever is to be told by now; how many were."""
        return self._announcer.announce(self._now())

    def _now(self) -> float:
        return self._tools.uses.now().timestamp()

    def _run(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            try:
                while not self._closed.is_set() and self.work():
                    pass
            except Exception as error:  # noqa: BLE001 - the next round tries again; the log says what was wrong
                log.error("no_work", error=type(error).__name__)

    def _tell(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            try:
                self._announcer.announce(self._now())
                self._jobs.forget(self._now())
            except Exception as error:  # noqa: BLE001 - as above
                log.error("nobody_told", error=type(error).__name__)

    def _sweep_folder(self) -> None:
        for left in self._tools.folder.glob("*-*"):
            process = left.name.partition("-")[0]
            try:
                os.kill(int(process), 0)
            except ProcessLookupError:
                shutil.rmtree(left, ignore_errors=True)
            except (ValueError, PermissionError):
                continue
