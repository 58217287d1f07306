from dataclasses import dataclass

import pytest

from refrain.errors import OptionError
from refrain.tasks.job.options import check, make, option, read_config, values


@dataclass
class Cake:
    free_text: str = option("", "Any.")
    eggs: int = option(3, "How many.")


@dataclass
class Bread:
    flour: str = option("rye", "Which.", choices=("rye", "wheat"))
    salt: float = option(2.0, "In percent.", least=0, most=5)
    loaves: int = option(1, "How many.", least=1)
    seeds: bool = option(False, "With seeds.")
    baker: str | None = option(None, "Who.")
    ovens: int | None = option(None, "How many.", least=1)


def test_the_last_source_that_has_a_value_counts():
    made = make(Bread, {"salt": 1, "loaves": 3}, {"salt": None, "loaves": 4})
    assert values(made) == {
        "flour": "rye",
        "salt": 1,
        "loaves": 4,
        "seeds": False,
        "baker": None,
        "ovens": None,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"flour": "oat"}, "flour: expected one of rye, wheat, received 'oat'"),
        ({"flour": 3}, "flour: expected text, received 3"),
        ({"salt": "2"}, "salt: expected a number, received '2'"),
        ({"salt": 5.5}, "salt: expected 5 or less, received 5.5"),
        ({"salt": float("nan")}, "salt: expected a number, received nan"),
        ({"loaves": 0}, "loaves: expected 1 or more, received 0"),
        ({"loaves": 1.5}, "loaves: expected a whole number, received 1.5"),
        ({"loaves": True}, "loaves: expected a whole number, received True"),
        ({"seeds": 1}, "seeds: expected true or false, received 1"),
        ({"ovens": 0}, "ovens: expected 1 or more, received 0"),
        ({"loafs": 2}, r"there is no option loafs; did you mean loaves\?"),
        ({"zzz": 2}, "there is no option zzz; known: flour, salt, loaves"),
    ],
)
def test_a_wrong_option_is_named(given, message):
    with pytest.raises(OptionError, match=message):
        make(Bread, given)


def test_nothing_is_checked_before_it_is_asked_for():
    bread = Bread(salt=9)
    with pytest.raises(OptionError, match="expected 5 or less"):
        check(bread)


def test_a_file_has_the_same_names(tmp_path):
    file = tmp_path / "bread.toml"
    file.write_text('eggs = 2\nfree-text = "x"\n')
    assert read_config(file, Cake) == {"eggs": 2, "free_text": "x"}


def test_a_name_that_a_file_cannot_have_is_told_with_the_file(tmp_path):
    file = tmp_path / "bread.toml"
    file.write_text("loafs = 2\n")
    message = r"bread\.toml: there is no option loafs; did you mean loaves\?"
    with pytest.raises(OptionError, match=message):
        read_config(file, Bread)
    file.write_text("salt = 1\nquiet = true\n")
    message = r"bread\.toml: quiet is given on the command line, as --quiet, and not in"
    with pytest.raises(OptionError, match=message):
        read_config(file, Bread, ("quiet",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"flour = ", "not TOML: Invalid value"),
        (b"[bread]\nsalt = 1", r"expected lines of name = value.*\[bread\]"),
        (b"flour = '\xff'", "expected UTF-8 text, found other bytes"),
    ],
)
def test_an_unusable_file_is_explained(tmp_path, text, message):
    file = tmp_path / "bread.toml"
    file.write_bytes(text)
    with pytest.raises(OptionError, match=message):
        read_config(file, Bread)
    with pytest.raises(OptionError, match=r"cannot read .*none\.toml"):
        read_config(tmp_path / "none.toml", Bread)
