from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.catalogue import Catalogue
from data.counterfactual import with_another_future
from data.interactions import Interactions
from data.snapshot import Snapshot, write_snapshot
from data.split import Window
from data.synthetic import START, planted_tables
from data.windows import FilterConfig, leave_one_out, time_window
from models.baselines.popularity import Popularity, PopularityConfig
from models.fitting import fit_codes, use_threads
from models.item_encoders.encoders import MixConfig
from models.recommender import FitData
from models.recommenders.sasrec import SASRecConfig
from models.tokenizers.letter import LetterConfig
from validation.snapshot.leakage import audit, audit_fit

# 40 users with one event an hour for 10 hours; seven of them lie before the cut-off, give or take the first.
CUTOFF = START + 7 * 3_600
FILTERS = FilterConfig(min_item_events=3)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory) -> Snapshot:
    return write_snapshot(planted_tables(40, 60, 10, noise=0.5, seed=1), tmp_path_factory.mktemp("snapshots"))


def cut(snapshot: Snapshot, filters: FilterConfig = FILTERS, cutoff: int = CUTOFF) -> Window:
    return time_window(snapshot, name="test", cutoff=cutoff, until=None, filters=filters)


def rules(window: Window, snapshot: Snapshot, filters: FilterConfig = FILTERS) -> set[str]:
    return {finding.rule for finding in audit(window, snapshot, filters)}


@pytest.mark.parametrize(
    "filters",
    [
        FilterConfig(min_item_events=1),
        FILTERS,
        FilterConfig(min_item_events=5, max_history=3),
        FilterConfig(min_item_events=3, min_user_events=4),
        FilterConfig(min_item_events=3, min_user_events=0),
    ],
)
def test_an_honest_window_passes(filters: FilterConfig, snapshot: Snapshot):
    assert audit(cut(snapshot, filters), snapshot, filters) == []


def test_a_closed_target_window_passes(snapshot: Snapshot):
    window = time_window(snapshot, name="valid", cutoff=CUTOFF - 7_200, until=CUTOFF, filters=FILTERS)
    assert audit(window, snapshot, FILTERS) == []


def test_an_event_of_the_future_is_found(snapshot: Snapshot):
    later = cut(snapshot, cutoff=CUTOFF + 3_600)
    window = cut(snapshot)
    leaky = replace(later, protocol=window.protocol)  # learns one hour more than its protocol says
    found = audit(leaky, snapshot, FILTERS)
    assert "future_in_train" in {finding.rule for finding in found}
    assert found[0].message == f"training events must be before the cut-off, but {found[0].count:,} are not"


def test_a_future_event_with_a_forged_time_is_found(snapshot: Snapshot):
    window = cut(snapshot)
    train = window.train
    item = train.item.copy()
    item[0] = (item[0] + 1) % len(window.catalogue)
    forged = replace(window, train=Interactions(item, train.time, train.basket, train.offsets))
    assert rules(forged, snapshot) == {"event_not_in_the_past"}


def test_a_moved_time_is_found(snapshot: Snapshot):
    window = cut(snapshot)
    train = window.train
    time = train.time.copy()
    time[-1] += 1
    moved = replace(window, train=Interactions(train.item, time, train.basket, train.offsets))
    assert rules(moved, snapshot) == {"time_not_in_the_past"}


def test_a_dropped_event_is_found(snapshot: Snapshot):
    window = cut(snapshot)
    keep = np.arange(len(window.train)) != 5
    assert rules(replace(window, train=window.train.where(keep)), snapshot) == {"history_length"}


def test_a_catalogue_chosen_by_all_events_is_found(snapshot: Snapshot):
    # the counts of the whole snapshot pass more items than those before the cut-off
    everything = cut(snapshot, cutoff=START + 9 * 3_600)
    window = cut(snapshot)
    assert len(everything.catalogue) > len(window.catalogue)
    ids = everything.catalogue.ids(window.catalogue.keys)
    train = window.train
    wide = replace(
        window,
        catalogue=everything.catalogue,
        train=Interactions(ids[train.item], train.time, train.basket, train.offsets),
    )
    assert "wrong_catalogue" in rules(wide, snapshot)


def test_an_item_missing_from_the_catalogue_is_found(snapshot: Snapshot):
    window = cut(snapshot)
    shorter = Catalogue(window.catalogue.frame.head(len(window.catalogue) - 1), window.catalogue.text_fields)
    last = len(shorter)
    train = window.train.where(window.train.item != last)
    target = np.where(window.target == last, -1, window.target)
    poor = replace(window, catalogue=shorter, train=train, target=target)
    assert "wrong_catalogue" in rules(poor, snapshot)


def test_a_user_chosen_by_later_events_is_found(snapshot: Snapshot):
    strict = FilterConfig(min_item_events=3, min_user_events=5)
    lax = cut(snapshot)
    assert lax.train.n_users > cut(snapshot, strict).train.n_users
    assert "wrong_users" in rules(lax, snapshot, strict)


def test_a_target_from_before_the_cutoff_is_found(snapshot: Snapshot):
    window = cut(snapshot)
    target = window.target.copy()
    target[0] = window.histories.history(0)[-1]
    assert rules(replace(window, target=target), snapshot) == {"wrong_targets"}


def test_a_dropped_cold_target_is_found(snapshot: Snapshot):
    window = cut(snapshot)
    query = int(np.flatnonzero(window.target == -1)[0])
    sizes = np.diff(window.target_offsets)
    assert set(sizes) == {1}  # every event is its own basket
    rest = replace(
        window,
        query_users=np.delete(window.query_users, query),
        target=np.delete(window.target, query),
        target_offsets=window.target_offsets[:-1],
    )
    assert rules(rest, snapshot) == {"wrong_targets"}


def test_leave_one_out_cannot_be_audited(snapshot: Snapshot):
    window = leave_one_out(snapshot, name="test", filters=FILTERS)
    with pytest.raises(ValueError, match="needs a window with a cut-off, but got the split 'leave-one-out'"):
        audit(window, snapshot, FILTERS)


@pytest.fixture(scope="module")
def other(snapshot: Snapshot, tmp_path_factory) -> Snapshot:
    return with_another_future(snapshot, CUTOFF, tmp_path_factory.mktemp("other"))


def popularity(window: Window) -> dict[str, np.ndarray]:
    n_items = len(window.catalogue)
    data = FitData(window.train, n_items, np.zeros((n_items, 1), np.float32), None)
    return Popularity.fit(PopularityConfig(), data).state()


def test_counts_of_the_past_do_not_change_with_the_future(snapshot: Snapshot, other: Snapshot):
    assert audit_fit(popularity, cut, snapshot, other) == []


def test_encoders_and_tokenizers_that_learn_from_events_see_the_past_alone(
    snapshot: Snapshot, other: Snapshot
):
    model = SASRecConfig(d_model=8, epochs=1, max_length=8)
    encoder = MixConfig(parts=["tfidf", {"kind": "collaborative", "model": model.model_dump()}])
    tokenizer = LetterConfig(
        n_levels=1,
        codebook_size=4,
        hidden=(8,),
        latent=4,
        epochs=1,
        warmup_epochs=1,
        teacher={"model": model},
    )

    def codes(window: Window) -> dict[str, np.ndarray]:
        return fit_codes(window.catalogue, window.train, encoder, tokenizer, seed=0).arrays()

    use_threads(1)
    assert audit_fit(codes, cut, snapshot, other) == []


def test_new_users_who_are_asked_about_are_no_leak(tmp_path: Path):
    snapshot = write_snapshot(planted_tables(40, 60, 2, noise=0.5), tmp_path)
    cutoff = START + 1_800  # about half of the users have begun
    everyone = FilterConfig(min_item_events=1, min_user_events=0)
    futures = snapshot, with_another_future(snapshot, cutoff, tmp_path)
    asked = [cut(each, everyone, cutoff).user_keys for each in futures]
    assert asked[0] != asked[1]  # who asks depends on the future, what is learned does not
    assert audit_fit(popularity, lambda each: cut(each, everyone, cutoff), *futures) == []


def test_a_fit_that_reads_the_targets_is_found(snapshot: Snapshot, other: Snapshot):
    def peek(window: Window) -> dict[str, np.ndarray]:
        known = window.target[window.target >= 0]
        return {"counts": np.bincount(known, minlength=len(window.catalogue))}

    found = audit_fit(peek, cut, snapshot, other)
    assert [(finding.rule, finding.message) for finding in found] == [
        ("depends_on_the_future", "nothing learned may depend on later events, but 'counts' does")
    ]


def test_a_window_cut_too_late_is_found(snapshot: Snapshot, other: Snapshot):
    found = audit_fit(lambda _: {}, lambda s: cut(s, cutoff=CUTOFF + 3_600), snapshot, other)
    assert any("'train.item'" in finding.message for finding in found)


def test_an_array_that_only_one_fit_has_is_found(snapshot: Snapshot, other: Snapshot):
    names = iter("ab")
    found = audit_fit(lambda _: {next(names): np.zeros(1)}, cut, snapshot, other)
    assert [finding.message.split("'")[1] for finding in found] == ["a", "b"]


@pytest.mark.slow
def test_the_audit_of_a_large_window_takes_seconds(tmp_path: Path):
    snapshot = write_snapshot(planted_tables(20_000, 2_000, 50, noise=0.5), tmp_path)
    cutoff = START + 40 * 3_600
    assert audit(cut(snapshot, cutoff=cutoff), snapshot, FILTERS) == []
