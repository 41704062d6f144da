"""What a request may say, and what the caller is told when it says something else."""

import json

import pytest
from pydantic import ValidationError

from serving.door.schemas import RecommendManyRequest, RecommendRequest, explain


def refusal(body: dict[str, object] | str) -> str:
    text = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(ValidationError) as error:
        RecommendRequest.model_validate_json(text)
    return explain(error.value)


def test_ten_items_are_the_default() -> None:
    assert RecommendRequest.model_validate_json('{"history": []}').k == 10


def test_a_number_where_a_key_is_meant_becomes_its_digits() -> None:
    request = RecommendRequest.model_validate_json('{"history": [1082185, "b"], "baskets": [7, 8]}')
    assert request.history == ["1082185", "b"]
    assert request.baskets == ["7", "8"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"history": [], "k": 0}, "k: input should be greater than or equal to 1, but got 0: correct it"),
        ({"history": [], "k": 101}, "k: input should be less than or equal to 100, but got 101: correct it"),
        ({"history": [], "k": "10"}, "k: input should be a valid integer, but got '10'"),
        ({"history": "a"}, "history: input should be a valid array, but got 'a'"),
        ({"history": [None]}, "history.0: input should be a valid string, but got None"),
        ({"history": [""]}, "history.0: string should have at least 1 character, but got ''"),
        ({"history": [], "top": 3}, "top: no such field, but got 3: see /docs.json"),
        ({"history": [], "allow": []}, "allow: it must name an item, but got []: leave it out"),
        ({"k": 3}, "give either history or user, but got neither: send exactly one"),
        ({"history": [], "user": "ann"}, "give either history or user, but got both: send exactly one"),
        ({"history": ["a"], "timestamps": [1, 2]}, "timestamps must have one entry for each of the 1 events"),
        ({"user": "ann", "baskets": ["x"]}, "baskets must have one entry for each of the 0 events"),
        ({"history": ["a", "b"], "timestamps": [2, 1]}, "timestamps must not decrease, but got 1 after 2"),
        ({"history": ["a", "b", "c"], "baskets": ["x", "y", "x"]}, "basket 'x' is opened twice"),
        ("{", "the body must be JSON, but got Invalid JSON"),
        ("[]", "body: input should be an object, but got []"),
    ],
)
def test_a_refusal_says_the_rule_what_came_and_what_to_do(body: dict[str, object] | str, said: str) -> None:
    told = refusal(body)
    assert said in told
    assert "\n" not in told


def test_a_refusal_counts_the_other_problems() -> None:
    assert refusal({"history": [], "k": 0, "top": 3}).endswith("(and 1 more)")


def test_a_refusal_does_not_repeat_a_long_value() -> None:
    assert len(refusal({"history": "x" * 10_000})) < 200


def test_a_problem_in_one_of_many_requests_says_in_which() -> None:
    body = '{"requests": [{"history": []}, {"history": [], "k": 0}]}'
    with pytest.raises(ValidationError) as error:
        RecommendManyRequest.model_validate_json(body)
    assert explain(error.value).startswith("requests.1.k: ")


def test_items_of_one_basket_may_be_bought_in_one_second() -> None:
    body = '{"history": ["a", "b"], "timestamps": [5, 5], "baskets": ["x", "x"]}'
    assert RecommendRequest.model_validate_json(body).timestamps == [5, 5]


@pytest.mark.parametrize("field", ["history", "baskets", "exclude", "allow", "timestamps"])
def test_a_list_is_read_up_to_its_first_problem(field: str) -> None:
    with pytest.raises(ValidationError) as error:
        RecommendRequest.model_validate_json(json.dumps({"user": "ann", field: [None] * 9_000}))
    assert error.value.error_count() == 1  # 720,000 of them once took 5 s, in which nobody was answered


def test_thousands_of_unknown_fields_are_counted_only() -> None:
    assert refusal({f"{i}": 1 for i in range(2_000)}) == (
        "body: 2000 problems: correct them, /docs.json shows the body."
    )


def test_a_number_of_thousands_of_digits_is_refused_in_words() -> None:
    assert "k: input should be less than or equal to 100, but got 1111111" in refusal(
        '{"history": [], "k": ' + "1" * 4_000 + "}"
    )
    with pytest.raises(ValidationError) as error:
        RecommendRequest(history=[], k=10**5_000)  # Python makes no text of it
    assert "but got a number of thousands of digits" in explain(error.value)


def test_a_field_is_named_in_one_short_line() -> None:
    assert refusal({"history": [], "a\nb": 1}).startswith(r"'a\nb': no such field")
    assert len(refusal({"history": [], "x" * 10_000: 1})) < 200


def test_a_refusal_can_keep_what_came_to_itself() -> None:
    with pytest.raises(ValidationError) as error:
        RecommendRequest.model_validate_json('{"history": [], "k": "s3cret"}')
    assert "s3cret" in explain(error.value)
    assert "s3cret" not in explain(error.value, shows_value=False)
