import re

import numpy as np
import pytest

from refrain.report.page import Facts
from refrain.tasks import Forecaster
from refrain.tasks.forecast.report import forecast_picture, report_page
from tests.tasks.forecast.tables import long_table

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:the 90 % interval needs"),
]


@pytest.fixture(scope="module")
def made():
    options = {"horizon": 1, "window": 6, "units": 2, "epochs": 1, "ets": False}
    return Forecaster(**options).fit(long_table(1, 200).y.to_numpy())


def test_forecasts_of_one_step_are_seen(made):
    """A line and a band of one point would be nothing."""
    track, rolled = made.tracks_[0], made.rolled_[0]
    levels = made.levels()
    drawn = forecast_picture(track, rolled, levels).svg
    widest = rolled.quantiles[:, 0, -1] - rolled.quantiles[:, 0, 0]
    assert len(rolled.origins) == 20
    assert (np.diff(rolled.origins) == 1).all()
    assert (widest > 0).all()
    bars = re.findall(r"stroke-width: 4", drawn)
    assert len(bars) >= 20


def test_the_split_is_told(made):
    page = report_page(made, "a.csv", "refrain train forecast a.csv")
    (data,) = (section for section in page.sections if section.title == "Data")
    (facts,) = (part for part in data.parts if isinstance(part, Facts))
    told = facts.items["split"]
    assert told == "130 to learn from, 30 to stop and calibrate by, 40 to test by"
