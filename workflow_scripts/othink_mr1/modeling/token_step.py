"""One decoding step of Qwen2-VL's language model: one token per sequence in, logits of the next token out.

The same computation as transformers' layers, but with one token per sequence, calling their modules takes
longer than computing. Projections with the same input are one product here. A TokenStep copies their weights,
in the products' precision, so make a new one whenever the weights change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import silu
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.precision import products_dtype
from othink_mr1.modeling.skinny_product import SkinnyProduct


class Cache(Protocol):
    """Keys and values of all sequences so far."""

    dtype: torch.dtype  # of what it takes

    def begin_token(self) -> None:
        """Called once per token, before the layers."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Add the new token's key and value and attend to everything so far.

        query: [sequences, heads, d]; key, value: [sequences, kv heads, d]. Returns [sequences, heads x d].
        """


@dataclass(frozen=True)
class _Layer:
    """One layer's weights. The norms' weights are multiplied into the matrices that follow them."""

    qkv: SkinnyProduct
    qkv_bias: Tensor
    attention_out: SkinnyProduct
    gate_up: SkinnyProduct
    down: SkinnyProduct


class TokenStep:
    """The language model, for one new token per sequence."""

    def __init__(self, model: Qwen2VLForConditionalGeneration, fused_norms: bool) -> None:
        """fused_norms: norms by torch's function, one kernel on a GPU and five on a CPU, or by our own."""
        text: Any = model.model.language_model
        config = text.config
        assert not text.has_sliding_layers, "Qwen2-VL's layers attend to everything"
        self.dtype = dtype = products_dtype(model.device)
        self._fused_norms = fused_norms
        self._eps = torch.tensor(config.rms_norm_eps, device=model.device)
        self._eps_value = config.rms_norm_eps
        self._heads, self._kv_heads = config.num_attention_heads, config.num_key_value_heads
        self._head_size = config.hidden_size // self._heads
        self._embeddings = text.embed_tokens.weight.detach()
        self._head = SkinnyProduct(model.lm_head.weight * text.norm.weight, dtype)
        self._frequencies = text.rotary_emb.inv_freq
        self._rotary_scaling = text.rotary_emb.attention_scaling
        self._layers = [_layer(layer, dtype) for layer in text.layers]

    def __call__(self, tokens: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        """tokens, positions: [sequences], as in the cache. Returns [sequences, vocabulary], fp32.

        positions: one per token, as a completion token's three rotary positions are equal. The tokens' keys
        and values are added to the cache.
        """
        rotary = self._rotary(positions)
        count, rotated = len(tokens), self._heads + self._kv_heads
        cache.begin_token()
        x = self._embeddings.index_select(0, tokens)  # [sequences, hidden], fp32
        for index, layer in enumerate(self._layers):
            normed = self._normed(x)
            qkv = (layer.qkv(normed) + layer.qkv_bias).view(count, rotated + self._kv_heads, self._head_size)
            query_key = _rotate(qkv[:, :rotated].float(), *rotary).to(cache.dtype)
            attended = cache.attend(
                index,
                query_key[:, : self._heads],
                query_key[:, self._heads :],
                qkv[:, rotated:].to(cache.dtype),
            )
            x = x + layer.attention_out(attended.to(self.dtype))
            gate, up = layer.gate_up(self._normed(x)).chunk(2, dim=1)
            x = x + layer.down(silu(gate) * up)
        return self._head(self._normed(x)).float()

    def _normed(self, x: Tensor) -> Tensor:
        """x / sqrt(mean(x²) + ε) by rows."""
        if self._fused_norms:
            return torch.rms_norm(x, x.shape[1:], eps=self._eps_value).to(self.dtype)
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)  # [sequences, 1]
        scale = torch.addcmul(self._eps, norm, norm, value=1 / x.shape[1]).rsqrt_()
        return (x * scale).to(self.dtype)

    def _rotary(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines, and sines signed for rotation by halves: [sequences, 1, head size] each."""
        angles = positions[:, None].float() * self._frequencies  # [sequences, head size / 2]
        cosines, sines = (f(angles) * self._rotary_scaling for f in (torch.cos, torch.sin))
        return torch.cat([cosines, cosines], dim=1)[:, None], torch.cat([-sines, sines], dim=1)[:, None]


def _layer(layer: Any, dtype: torch.dtype) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    return _Layer(
        qkv=SkinnyProduct(
            torch.cat([module.weight for module in projections]) * layer.input_layernorm.weight, dtype
        ),
        qkv_bias=torch.cat([module.bias for module in projections]).detach().to(dtype),
        attention_out=SkinnyProduct(attention.o_proj.weight, dtype),
        gate_up=SkinnyProduct(
            torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * layer.post_attention_layernorm.weight,
            dtype,
        ),
        down=SkinnyProduct(mlp.down_proj.weight, dtype),
    )


def _rotate(states: Tensor, cosines: Tensor, signed_sines: Tensor) -> Tensor:
    """Rotary embedding by halves: (a, b) -> (a cos - b sin, b cos + a sin). [sequences, heads, head size]."""
    halves_swapped = states.roll(states.shape[-1] // 2, dims=-1)
    return torch.addcmul(states * cosines, halves_swapped, signed_sines)
