import numpy as np
import pytest
import torch

from data.interactions import Interactions
from models.families import FAMILIES
from models.recommender import FitData
from models.recommenders.code_lm import CodeLMConfig, CodeLMModule, with_newest_targets
from models.recommenders.parallel_codes import ParallelCodes, ParallelCodesConfig, ParallelCodesModule
from models.recommenders.recgpt import RecGPTConfig, RecGPTModule
from models.recommenders.tiger import TigerConfig, TigerModule
from models.sequence.rows import RowBatches, newest_rows
from models.tokenizers.code_table import CodeTable

# every pair of codes is an item, so renormalising over the trie changes nothing; the digit is always 0
PAIRS = np.stack(np.unravel_index(np.arange(6), (2, 3)), axis=1)
CODES = CodeTable(np.column_stack([PAIRS, np.zeros(6, dtype=np.int64)]), (2, 3, 1))
CONTENT = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
HISTORIES = [[0, 1, 2, 3], [5, 4, 1]]
SIZES = {"d_model": 8, "n_heads": 2, "max_length": 6, "dropout": 0.0}
GENERATIVE = ["tiger", "code-lm", "parallel-codes", "recgpt"]


def one_batch(histories=HISTORIES, baskets=None):
    events = Interactions.from_histories(histories, baskets=baskets)
    batches = RowBatches(events, 6, max_length=6, batch_rows=8, queries_per_row=None)
    [batch] = batches.epoch(np.random.default_rng(0))
    return batch


def jiggle(module):
    """Weights far from their initial zeros, float64."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module.double().eval().requires_grad_(False)


def log_prob(speller, item):
    """Of one item after the only history of the speller, code by code."""
    total, logits = 0.0, torch.from_numpy(speller.first())[0]
    for level, code in enumerate(CODES.codes[item]):
        total += float(torch.log_softmax(logits, dim=-1)[code])
        if level + 1 < CODES.n_levels:
            nowhere = np.zeros((1, 1), dtype=np.int64)
            logits = torch.from_numpy(speller.then(nowhere, np.array([[code]])))[0, 0]
    return total


@pytest.mark.parametrize("encoder", ["causal", "bidirectional"])
def test_tiger_learns_what_its_beam_is_told(encoder):
    # 3 + 2 targets of 3 codes: the loss is the mean over codes of what decoding would say of the true item
    module = jiggle(TigerModule(TigerConfig(encoder=encoder, **SIZES), CODES))
    total = 0.0
    for history in HISTORIES:
        for seen in range(1, len(history)):
            rows = newest_rows(Interactions.from_histories([history[:seen]]), 6)
            with torch.inference_mode():
                total += log_prob(module.speller(rows), history[seen])
    assert float(module.loss(one_batch())) == pytest.approx(-total / 5 / 3)


def test_the_code_lm_learns_what_its_beam_is_told():
    # first codes of the 5 targets; codes after the first of all 7 items, the two first ones included
    module = jiggle(CodeLMModule(CodeLMConfig(**SIZES), CODES))
    first, inside = [], []
    for history in HISTORIES:
        for seen in range(len(history)):
            rows = newest_rows(Interactions.from_histories([history[:seen]]), 6)
            with torch.inference_mode():
                begun = torch.log_softmax(torch.from_numpy(module.speller(rows).first()[0]), dim=-1)
                begun = float(begun[CODES.codes[history[seen], 0]])
                inside.append(log_prob(module.speller(rows), history[seen]) - begun)
            if seen:
                first.append(begun)
    by_hand = -(np.mean(first) + np.mean(inside)) / 3
    assert float(module.loss(one_batch())) == pytest.approx(by_hand)


def test_the_newest_targets_are_read_after_the_rows_they_follow():
    # {0, 1} {2} {3, 4}, to predict: 2 and then 3, 4; {5} {1}, to predict: 1
    batch = one_batch([[0, 1, 2, 4, 3], [5, 1]], baskets=[[0, 0, 1, 2, 2], [0, 1]])
    item, length = with_newest_targets(batch)
    rows = {tuple(row[:n].tolist()) for row, n in zip(item, length, strict=True)}
    assert rows == {(0, 1, 2, 3, 4), (5, 1)}


def test_parallel_codes_score_by_cosine_over_temperature():
    module = jiggle(ParallelCodesModule(ParallelCodesConfig(temperature=0.5, **SIZES), CODES))
    hidden = torch.randn(1, 8, dtype=torch.float64)
    for digit, (begin, end) in enumerate([(0, 2), (2, 5)]):
        state = hidden[0] + torch.nn.functional.silu(module.heads[digit] @ hidden[0])
        table = module.tokens.table.weight[begin:end]
        cosines = torch.nn.functional.cosine_similarity(state[None], table)
        by_hand = torch.log_softmax(cosines / 0.5, dim=-1)
        assert torch.allclose(module.log_probs(hidden)[0, digit, : end - begin], by_hand)


def test_an_item_without_a_head_of_its_own_is_the_mean_of_its_codes():
    module = jiggle(ParallelCodesModule(ParallelCodesConfig(**SIZES), CODES))
    table = module.tokens.table.weight
    # item 4 has codes 1 and 1, rows 1 and 2 + 1
    assert torch.allclose(module.tokens.pooled(torch.tensor([4])), (table[1] + table[3]) / 2)


@pytest.mark.parametrize("d_model", [16, 128])
def test_parallel_codes_read_entries_of_variance_one(d_model):
    torch.manual_seed(0)
    digits = np.random.default_rng(0).integers(0, 64, (500, 33))
    module = ParallelCodesModule(ParallelCodesConfig(d_model=d_model), CodeTable(digits, (64,) * 33))
    read = module.eval()._inputs(torch.arange(500)[:, None])[:, 1]
    assert read.var().item() == pytest.approx(1, abs=0.1)


def test_recgpt_predicts_each_token_from_the_same_slot_of_the_item_before():
    module = jiggle(RecGPTModule(RecGPTConfig(**SIZES), CODES, CONTENT))
    batch, total = one_batch(), 0.0
    for history in HISTORIES:
        for seen in range(1, len(history)):
            rows = newest_rows(Interactions.from_histories([history[:seen]]), 6)
            log_probs = module.log_probs(rows)[0]
            total += sum(float(log_probs[slot, CODES.codes[history[seen], slot]]) for slot in (0, 1))
    assert float(module.loss(batch)) == pytest.approx(-total / 5 / 2)


@pytest.mark.parametrize("name", GENERATIVE)
def test_items_come_in_and_go_out_as_codes_alone(name):
    # no weight grows with the catalogue; content is given, not learned
    def shapes(n_items):
        codes = np.random.default_rng(0).permutation(64)[:n_items]
        table = np.column_stack(np.unravel_index(codes, (4, 4, 4)))
        codes = CodeTable(np.column_stack([table, np.zeros(n_items, dtype=np.int64)]), (4, 4, 4, 1))
        family = FAMILIES[name]
        module = family.recommender.build(family.config(**SIZES), codes, np.zeros((n_items, 5), np.float32))
        return [parameter.shape for parameter in module.parameters()]

    assert shapes(20) == shapes(40)


@pytest.mark.parametrize("name", ["parallel-codes", "recgpt"])
def test_items_with_equal_codes_tie_and_are_ordered_by_id(name):
    codes = CodeTable(np.array([[0, 1, 0], [1, 2, 0], [0, 1, 1], [1, 2, 1]]), (2, 3, 2))
    events = Interactions.from_histories([[0, 1, 2, 3]])
    data = FitData(events, 4, CONTENT[[0, 1, 0, 1]], codes)
    family = FAMILIES[name]
    model, _ = family.recommender.fit(family.config(**SIZES, epochs=1), data, seed=0)
    top = model.recommend(events, 4)
    assert set(top.scores[0, :2]) == {top.scores[0, 0]}
    assert top.items[0].tolist() in ([0, 2, 1, 3], [1, 3, 0, 2])


def test_parallel_codes_from_before_the_scale_answer_as_they_did():
    torch.manual_seed(0)
    config = ParallelCodesConfig(**SIZES)
    now = ParallelCodes(config, CODES, ParallelCodesModule(config, CODES))
    before = {name: value for name, value in now.state().items() if name != "weights.scale"}
    unscaled = now.state() | {"weights.scale": np.ones(1, dtype=np.float32)}
    asked = Interactions.from_histories([[0, 1, 2]])
    lists = [
        each.recommend(asked, 3).scores
        for each in (*(ParallelCodes.from_state(config, state) for state in (before, unscaled)), now)
    ]
    assert np.array_equal(lists[0], lists[1])
    assert not np.array_equal(lists[0], lists[2])
