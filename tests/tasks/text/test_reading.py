import json

import pytest

from refrain.errors import DataError
from refrain.tasks.text.reading import read_texts

ROWS = [("fine film", "good"), ("dull, weak", "bad"), ("größe", "good")]


def csv_file(path, separator=","):
    lines = ["text;label".replace(";", separator)]
    lines += [f'"{text}"{separator}{label}' for text, label in ROWS]
    path.write_text("\n".join(lines), encoding="utf-8")


def json_file(path):
    lines = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")


def folder(path):
    for k, (text, label) in enumerate(ROWS):
        (path / label).mkdir(parents=True, exist_ok=True)
        (path / label / f"{k}.txt").write_text(f"{text}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.csv", csv_file), ("a.jsonl", json_file), ("a", folder)],
    ids=["csv", "json", "folder"],
)
def test_every_form_is_read(tmp_path, name, write):
    path = tmp_path / name
    write(path)
    found = read_texts(path, None, None)
    assert found.labels is not None
    assert sorted(zip(found.texts, found.labels, strict=True)) == sorted(ROWS)
    assert sorted(read_texts(path, None, None, labelled=False).texts) == sorted(
        text for text, _ in ROWS
    )


def test_columns_are_found_or_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,review,sentiment,stars\n1,a long text,good,5\n2,worse,bad,1\n")
    found = read_texts(path, None, None)
    assert (found.column, found.label_column) == ("review", "sentiment")
    found = read_texts(path, "review", "stars")
    assert found.labels == ["5", "1"]
    path.write_text("text,score\ndull,0.001524221856\nfine,0.998475778143\n")
    found = read_texts(path, None, None)
    assert (found.column, found.label_column) == ("text", "score")


def test_rows_without_text_or_label_are_left_out_and_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na fine film,good\n,bad\nnone,bad\nweak,\n")
    found = read_texts(path, None, None)
    assert found.texts == ["a fine film", "none"]
    assert found.notes == ("2 rows without text or label left out",)


UNUSABLE = {
    "a.csv": {
        b"": "is empty",
        b"text\nx\n": "received the one column 'text'; separate columns by",
        b"text:label\nx:y\n": "received the one column 'text:label'",
        b"text,a,b\nxxx,y,z\n": "several columns could hold the labels: a, b; choose",
        b"dull,neg\nweak,neg\nfine,pos\n": "'neg' has its name among its values",
        b"text,label\n,\n": "no row has a text or label",
        b"text,label\n\xff,a\n": "expected UTF-8 text",
    },
    "a.jsonl": {
        b"": "is empty; expected one JSON object a line",
        b'{"text": "a", "label": 1}\n{': "line 2: not JSON",
        b"[1]\n": "line 1: expected an object such as",
        b"\xff": "expected UTF-8 text",
    },
}
CASES = [(name, *case) for name, cases in UNUSABLE.items() for case in cases.items()]


@pytest.mark.parametrize(("name", "content", "message"), CASES)
def test_an_unusable_file_is_explained(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_texts(path, None, None)


def test_missing_files_folders_and_columns_are_named(tmp_path):
    for name in ("none.csv", "none.jsonl"):
        with pytest.raises(DataError, match="o such file"):
            read_texts(tmp_path / name, None, None)
    with pytest.raises(DataError, match="expected a folder for each label"):
        read_texts(tmp_path, None, None)
    csv_file(tmp_path / "a.csv", ";")
    with pytest.raises(DataError, match=r"no column 'txt'.*did you mean 'text'"):
        read_texts(tmp_path / "a.csv", "txt", None)
    with pytest.raises(DataError, match="--label: no column 'lab'"):
        read_texts(tmp_path / "a.csv", None, "lab")
