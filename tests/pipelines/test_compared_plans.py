"""Options that name the plans of one patient."""

from pathlib import Path

import pytest

from flame.core.cohort import Patient
from flame.core.errors import BadInput
from flame.core.treatment import Radiation
from flame.pipelines.compared_plans import folders, with_plan


def test_options_are_read(tmp_path: Path) -> None:
    assert folders((f"proton={tmp_path}",)) == {Radiation.PROTON: tmp_path}
    with pytest.raises(BadInput, match="write RADIATION=FOLDER"):
        folders(("neutron=x",))
    with pytest.raises(BadInput, match="no folder nowhere"):
        folders(("carbon=nowhere",))


def test_the_plan_of_somebody_else_is_refused() -> None:
    with pytest.raises(BadInput, match="the plan for proton is of b, not of a: .* same pseudonym"):
        with_plan(Patient("a"), Patient("b"), Radiation.PROTON)
    with pytest.raises(BadInput, match="has no dose or no plan"):
        with_plan(Patient("a"), Patient("a"), Radiation.PROTON)
