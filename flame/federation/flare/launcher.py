"""How a site starts the process of a job."""

from typing import Any

from nvflare.apis.job_launcher_spec import JobReturnCode
from nvflare.app_common.job_launcher.client_process_launcher import ClientProcessJobLauncher


class SiteLauncher(ClientProcessJobLauncher):  # type: ignore[misc]
    """FLARE's launcher, but a job process that dies is no failure of everybody's job.

    FLARE's server ends a job for all sites when one site reports a failed process. The coordinator
    finds out by itself that a site is silent, and decides.
    """

    def launch_job(self, job_meta: dict[str, Any], fl_ctx: Any) -> Any:
        """Start the process, whose death is reported as an unknown end."""
        handle = super().launch_job(job_meta, fl_ctx)
        poll = handle.poll

        def without_failure() -> Any:
            code = poll()
            return code if code == JobReturnCode.SUCCESS else JobReturnCode.UNKNOWN

        handle.poll = without_failure
        return handle
