"""A real Orthanc on loopback, where its Debian package is installed."""

import json
import subprocess
import time
import urllib.request
from pathlib import Path
from shutil import which
from typing import Any
from urllib.error import URLError

import pytest

from tests.helpers.hospitals import free_ports

ORTHANC = which("Orthanc") or ("/usr/sbin/Orthanc" if Path("/usr/sbin/Orthanc").exists() else None)
needs_orthanc = pytest.mark.skipif(ORTHANC is None, reason="Orthanc is not installed")


class Orthanc:
    """An archive ``ORTHANC`` that knows the node ``FLAME`` at a port of this machine."""

    def __init__(self, folder: Path) -> None:
        self.dicom, self.http, self.flame = free_ports(3)
        settings = {
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "DicomAet": "ORTHANC",
            "DicomCheckCalledAet": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomModalities": {"flame": ["FLAME", "127.0.0.1", self.flame]},
        }
        folder.mkdir()
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [str(ORTHANC), str(folder / "orthanc.json")], stdout=self.log, stderr=self.log
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                self.ask("system")
                return
            except URLError:
                time.sleep(0.2)
        raise AssertionError((folder / "log").read_text())

    def ask(self, path: str, body: bytes | None = None) -> Any:
        url = f"http://127.0.0.1:{self.http}/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data=body)) as reply:
            return json.loads(reply.read())

    def hold(self, folder: Path) -> int:
        """Put all files of a folder into the archive."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        for path in files:
            self.ask("instances", path.read_bytes())
        return len(files)

    def send(self, study: str) -> None:
        """Send a study to FLAME by C-STORE."""
        self.ask("modalities/flame/store", study.encode())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
