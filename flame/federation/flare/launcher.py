"""Launcher of the process of a job at a site."""

from typing import Any

from nvflare.apis.job_launcher_spec import JobReturnCode
from nvflare.app_common.job_launcher.client_process_launcher import ClientProcessJobLauncher


class SiteLauncher(ClientProcessJobLauncher):  # type: ignore[misc]
    """FLARE's launcher, except that the death of one site's process does not end the job of all.

    FLARE's server ends a job for all sites if one site reports a failed process. With this launcher
    the coordinator detects that a site is silent and decides whether the run continues.
    """

    def launch_job(self, job_meta: dict[str, Any], fl_ctx: Any) -> Any:
        """Start the process of a job, and report its death as an unknown end, not as a failure.

        Args:
            job_meta: FLARE's description of the job.
            fl_ctx: FLARE's context.

        Returns:
            FLARE's handle of the process.
        """
        handle = super().launch_job(job_meta, fl_ctx)
        poll = handle.poll

        def without_failure() -> Any:
            code = poll()
            return code if code == JobReturnCode.SUCCESS else JobReturnCode.UNKNOWN

        handle.poll = without_failure
        return handle
