"""A challenger that shows too little, too popular things or is too big is named, with the limit."""

import pytest

from validation.gates.limits import LimitsConfig, Nature, findings

CHAMPION = Nature(coverage=0.40, novelty=0.20, bundle_mib=10.0)


def test_a_challenger_like_the_champion_passes():
    assert findings(CHAMPION, CHAMPION, LimitsConfig()) == []
    assert findings(Nature(0.001, 0.0, 1e6), None, LimitsConfig()) == []  # nothing absolute by default


@pytest.mark.parametrize(
    ("challenger", "words"),
    [
        (Nature(0.19, 0.20, 10), ["Its coverage is 0.1900 where the champion's is 0.4000: 52% less"]),
        (Nature(0.20, 0.20, 10), []),  # half is allowed
        (Nature(0.40, 0.09, 10), ["Its novelty is 0.0900 where the champion's is 0.2000: 55% less"]),
        (Nature(0.10, 0.05, 10), ["Its coverage", "Its novelty"]),
        (Nature(0.90, 0.90, 10), []),  # more is no loss
    ],
)
def test_what_was_lost_against_the_champion_is_named(challenger, words):
    found = findings(challenger, CHAMPION, LimitsConfig())
    assert [each[: len(start)] for each, start in zip(found, words, strict=True)] == words


def test_absolute_limits_hold_without_a_champion():
    config = LimitsConfig(min_coverage=0.1, min_novelty=0.1, max_bundle_mib=5)
    assert findings(Nature(0.05, 0.05, 6), None, config) == [
        "Its coverage is 0.0500, but [limits] min_coverage wants 0.1.",
        "Its novelty is 0.0500, but [limits] min_novelty wants 0.1.",
        "Its bundle has 6.0 MiB, but [limits] max_bundle_mib allows 5.",
    ]


def test_a_champion_that_shows_nothing_new_cannot_be_undercut():
    assert findings(Nature(0.4, 0.0, 1), Nature(0.4, 0.0, 1), LimitsConfig()) == []


def test_a_limit_can_be_lifted():
    config = LimitsConfig(max_coverage_loss=None, max_novelty_loss=None)
    assert findings(Nature(0.001, 0.0, 1), CHAMPION, config) == []
