from copy import deepcopy

from data.errors import DataError


def test_a_message_is_one_line_with_place_rule_fact_and_remedy():
    error = DataError("keys must be unique", where="a.csv", got="2 rows\nalike", fix="drop one")
    assert str(error) == "a.csv: keys must be unique, but got 2 rows alike: drop one"
    assert isinstance(error, ValueError)


def test_an_error_survives_the_way_into_a_copy():
    error = DataError("r", where="w", got="g", fix="f")
    copy = deepcopy(error)
    assert (type(copy), str(copy), copy.fix) == (DataError, str(error), "f")
