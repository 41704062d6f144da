"""Families: the one list of what can be trained, tuned and served. A new family is one line here."""

from dataclasses import dataclass, field
from typing import Any

from models.baselines.ease import EASE, EASEConfig
from models.baselines.neighbours import ItemKNN, ItemKNNConfig, Transitions, TransitionsConfig
from models.baselines.popularity import Popularity, PopularityConfig
from models.baselines.repeats import Repeats, RepeatsConfig
from models.recommender import Config
from models.recommenders.code_lm import CodeLM, CodeLMConfig
from models.recommenders.encore.recipe import Encore, EncoreConfig
from models.recommenders.esasrec import ESASRec, ESASRecConfig
from models.recommenders.hstu import HSTU, HSTUConfig
from models.recommenders.parallel_codes import ParallelCodes, ParallelCodesConfig
from models.recommenders.recgpt import RecGPT, RecGPTConfig
from models.recommenders.sasrec import SASRec, SASRecBCE, SASRecBCEConfig, SASRecConfig
from models.recommenders.tiger import Tiger, TigerConfig
from models.recommenders.trie_pointer.recipe import TriePointer, TriePointerConfig
from models.space import Choice, Dimension, Float


@dataclass(frozen=True, slots=True)
class Family:
    """A recommender, its settings, and where its tuning may look.

    Attributes:
        recommender: class with `fit`, `recommend`, `state`, `from_state`.
        config: its settings; the defaults are a sensible first trial.
        space: name of a setting to what a tuner may try.
        trainable: whether `fit` runs epochs and takes `seed`, `validate`, `watch`, `checkpoint`.
        generative: whether it scores through semantic IDs.
    """

    recommender: Any
    config: type[Config]
    space: dict[str, Dimension] = field(default_factory=dict)
    trainable: bool = False
    generative: bool = False


SHORT_HISTORY_SPACE: dict[str, Dimension] = {
    "learning_rate": Float(3e-4, 5e-3, log=True),
    "dropout": Float(0.1, 0.6),
    "weight_decay": Float(1e-3, 0.3, log=True),
    "d_model": Choice((64, 128)),
    "n_blocks": Choice((1, 2)),
}

OVER_ROWS: dict[str, Dimension] = {
    "learning_rate": Float(5e-4, 5e-3, log=True),
    "dropout": Float(0.05, 0.5),
    "weight_decay": Float(1e-3, 0.2, log=True),
}


FAMILIES: dict[str, Family] = {
    "popularity": Family(Popularity, PopularityConfig, {"half_life_days": Float(5, 400, log=True)}),
    "repeats": Family(Repeats, RepeatsConfig, {"half_life_days": Float(10, 400, log=True)}),
    "transitions": Family(Transitions, TransitionsConfig, {"repeat_weight": Float(0.01, 100, log=True)}),
    "item-knn": Family(
        ItemKNN,
        ItemKNNConfig,
        {
            "window": Choice((1, 2, 5, 10)),
            "count_decay": Float(0.3, 1.0),
            "backward_weight": Float(0.2, 1.0),
            "history_decay": Float(0.3, 0.995),
            "degree_power": Float(0.0, 0.5),
            "repeat_weight": Float(0.05, 20, log=True),
        },
    ),
    "ease": Family(
        EASE,
        EASEConfig,
        {"ridge": Float(1, 2_000, log=True), "history_decay": Float(0.3, 1.0)},
    ),
    "sasrec": Family(
        SASRec,
        SASRecConfig,
        {
            "learning_rate": Float(1e-3, 1e-2, log=True),
            "dropout": Float(0.05, 0.5),
            "weight_decay": Float(1e-3, 0.2, log=True),
            "max_length": Choice((100, 200)),
        },
        trainable=True,
    ),
    "sasrec-bce": Family(SASRecBCE, SASRecBCEConfig, SHORT_HISTORY_SPACE, trainable=True),
    "esasrec": Family(ESASRec, ESASRecConfig, SHORT_HISTORY_SPACE, trainable=True),
    "hstu": Family(HSTU, HSTUConfig, SHORT_HISTORY_SPACE, trainable=True),
    "trie-pointer": Family(
        TriePointer,
        TriePointerConfig,
        {
            "learning_rate": Float(1e-3, 1e-2, log=True),
            "dropout": Float(0.05, 0.5),
            "weight_decay": Float(1e-3, 0.2, log=True),
            "pointer_width": Choice((32, 64)),
        },
        trainable=True,
        generative=True,
    ),
    "encore": Family(
        Encore,
        EncoreConfig,
        {
            "learning_rate": Float(5e-4, 3e-3, log=True),
            "dropout": Float(0.1, 0.5),
            "input_dropout": Float(0.2, 0.7),
            "weight_decay": Float(0.01, 0.3, log=True),
        },
        trainable=True,
        generative=True,
    ),
    "tiger": Family(
        Tiger, TigerConfig, OVER_ROWS | {"decoder_blocks": Choice((1, 2))}, trainable=True, generative=True
    ),
    "code-lm": Family(
        CodeLM, CodeLMConfig, OVER_ROWS | {"n_blocks": Choice((1, 2, 3))}, trainable=True, generative=True
    ),
    "parallel-codes": Family(
        ParallelCodes,
        ParallelCodesConfig,
        OVER_ROWS | {"temperature": Float(0.03, 0.2, log=True)},
        trainable=True,
        generative=True,
    ),
    "recgpt": Family(
        RecGPT, RecGPTConfig, OVER_ROWS | {"n_blocks": Choice((1, 2, 3))}, trainable=True, generative=True
    ),
}
