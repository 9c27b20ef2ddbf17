"""What the foreground process does with its kit."""

import os
import time
from pathlib import Path

from flame.federation.flare.daemon import KEEP_DAYS, remove_old_jobs


def test_folders_of_old_jobs_are_removed_and_nothing_else(tmp_path: Path) -> None:
    """A job that changed lately stays, and so do the kit's own files, however old."""
    long_ago = time.time() - (KEEP_DAYS + 1) * 86_400
    old, lately = "0f0e-11ee", "1a2b-22ff"
    for job in (old, lately):
        folder = tmp_path / f"{job[:4]}0000-0000-{job[5:]}-0000-00000000{job[:4]}" / "app"
        folder.mkdir(parents=True)
        (folder / "log.txt").write_text("x")
    for kept in ("startup", "runs/abc", "local"):
        (tmp_path / kept).mkdir(parents=True)
    for path in [*tmp_path.rglob("*")]:
        if lately[:4] not in str(path.relative_to(tmp_path)) or path.is_dir():
            os.utime(path, (long_ago, long_ago))
    remove_old_jobs(tmp_path)
    names = {path.name[:4] for path in tmp_path.iterdir()}
    assert names == {"1a2b", "star", "runs", "loca"}
