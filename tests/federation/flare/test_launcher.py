"""The death of one site's process is no failure of the job of all."""

from typing import Any

import pytest
from nvflare.apis.job_launcher_spec import JobReturnCode
from nvflare.app_common.job_launcher.client_process_launcher import ClientProcessJobLauncher

from flame.federation.flare.launcher import SiteLauncher


class Handle:
    """A process that has ended with a code."""

    def __init__(self, code: int) -> None:
        self.code = code

    def poll(self) -> int:
        return self.code


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (JobReturnCode.SUCCESS, JobReturnCode.SUCCESS),
        (JobReturnCode.EXECUTION_ERROR, JobReturnCode.UNKNOWN),
        (JobReturnCode.ABORTED, JobReturnCode.UNKNOWN),
    ],
)
def test_what_the_server_hears(monkeypatch: pytest.MonkeyPatch, code: int, expected: int) -> None:
    monkeypatch.setattr(ClientProcessJobLauncher, "launch_job", lambda *given: Handle(code))
    handle: Any = SiteLauncher().launch_job({}, None)
    assert handle.poll() == expected
