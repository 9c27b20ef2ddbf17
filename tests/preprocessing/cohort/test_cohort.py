"""A preprocessed centre is read back the same way every time."""

import json
from pathlib import Path

from flame.preprocessing.cohort.cohort import sessions


def test_sessions_are_in_order_of_day_then_name(tmp_path: Path) -> None:
    days = {"04": -3, "02": -3, "03": -3, "01": -3, "06": -20, "05": -3}
    for name, day in days.items():
        stem = f"sub-x_ses-{name}_space-individual_desc-brain_mask.json"
        path = tmp_path / "sub-x" / f"ses-{name}" / "anat" / stem
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"Day": day}))
    found = sessions(tmp_path, "x")
    assert [name for name, _ in found] == ["06", "01", "02", "03", "04", "05"]
