import pytest

from refrain.errors import RefrainError
from refrain.tasks.job.tune import Range, tune

SPACE = {"units": Range(1, 64, log=True), "rate": Range(0.0, 1.0)}


def far(_, options):
    return abs(options["units"] - 20) / 20 + abs(options["rate"] - 0.3)


def test_a_search_finds_better_options_and_ends_with_the_best_first():
    found = tune(SPACE, far, 25, seed=1)
    scores = [tried.score for tried in found]
    assert scores == sorted(scores)
    assert scores[0] < 0.4
    for tried in found:
        assert isinstance(tried.options["units"], int)
        assert 1 <= tried.options["units"] <= 64
        assert 0 <= tried.options["rate"] <= 1
    assert tune(SPACE, far, 25, seed=1) == found
    assert tune(SPACE, far, 25, seed=2) != found


def test_a_search_that_was_cut_off_goes_on(tmp_path):
    whole = tune(SPACE, far, 12, seed=1)

    def cut(number, options):
        if number == 7:
            raise KeyboardInterrupt
        return far(number, options)

    with pytest.raises(KeyboardInterrupt):
        tune(SPACE, cut, 12, seed=1, folder=tmp_path)
    numbers = []

    def seen(number, options):
        numbers.append(number)
        return far(number, options)

    assert tune(SPACE, seen, 12, seed=1, folder=tmp_path) == whole
    assert numbers == [7, 8, 9, 10, 11]


def test_damaged_scores_are_refused(tmp_path):
    (tmp_path / "trials.json").write_text('[{"score": 1}]')
    with pytest.raises(RefrainError, match=r"trials\.json: damaged; delete it"):
        tune(SPACE, far, 2, seed=1, folder=tmp_path)
