import pytest

from data.errors import DataError
from data.sources import load
from data.sources.config import RecBoleConfig

INTER = (
    "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "u1\t05\t4\t881250949\n"
    "u1\t6\t3\t881250949.0\n"
)
ITEM = (
    "item_id:token\ttitle:token_seq\tyear:float\tclass:token_seq\n"
    '05\t"Alien\t1979\tHorror Sci-Fi\n'
    "6\tToys\t\tComedy\n"
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tiny.inter").write_text(INTER)
    (tmp_path / "tiny.item").write_text(ITEM)
    return tmp_path


def test_atomic_files_are_read_by_their_header(folder):
    tables = load(RecBoleConfig(path=folder))
    assert tables.interactions.rows() == [("u1", "05", 881250949, 0), ("u1", "6", 881250949, 1)]
    assert tables.items.rows() == [
        ("05", '"Alien', 1979.0, "Horror Sci-Fi"),  # an odd quote is part of the title
        ("6", "Toys", None, "Comedy"),
    ]
    assert tables.text_fields == ("title", "class")


def test_text_fields_can_be_chosen(folder):
    assert load(RecBoleConfig(path=folder, text_fields=("title",))).text_fields == ("title",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "tiny.inter",
            INTER.replace("user_id:token", "user_id"),
            "each column of the header must be name:type",
        ),
        ("tiny.inter", INTER.replace("rating:float", "rating:int"), "but got 'rating:int'"),
        (
            "tiny.inter",
            INTER.replace("\t881250949\n", "\tnever\n"),
            "1 of 2 rows that are none, e.g. 'never'",
        ),
        ("tiny.item", ITEM.replace("1979", "old"), "column 'year:float' must hold numbers"),
        ("tiny.item", "", "must be there"),
        ("tiny.inter", INTER.replace("\t6\t", "\t7\t"), "unknown items, e.g. '7'"),
        ("other.inter", INTER, "must hold one .inter file, but got other.inter, tiny.inter"),
    ],
)
def test_bad_input_is_one_line(folder, name, content, message):
    (folder / name).write_text(content)
    with pytest.raises(DataError) as error:
        load(RecBoleConfig(path=folder))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"must hold one \.inter file, but got none"):
        load(RecBoleConfig(path=tmp_path))
