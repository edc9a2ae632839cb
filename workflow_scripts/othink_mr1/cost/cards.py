"""Cards on which hours are estimated, from their data sheets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A GPU. tflops: dense bf16 products with fp32 sums; names: what Slurm's `gpu_type` may call it."""

    name: str
    memory_gb: float  # 1e9 bytes
    tflops: float
    terabytes_per_second: float
    names: tuple[str, ...]


# NVIDIA's data sheets: "A100 80GB SXM", "H100 SXM" (half of the figure with sparsity), "H200 SXM", "L40S"
# (likewise), and the Ada architecture's white paper for the RTX 4090.
A100 = Card("A100 80GB", 80, 312, 2.039, ("a100", "a100_80gb", "a10080gb"))
A100_40GB = Card("A100 40GB", 40, 312, 1.555, ("a100_40gb", "a10040gb"))
H100 = Card("H100 80GB", 80, 989, 3.35, ("h100", "h100_80gb", "h10080gb"))
H200 = Card("H200 141GB", 141, 989, 4.8, ("h200",))
L40S = Card("L40S 48GB", 48, 362, 0.864, ("l40s",))
RTX_4090 = Card("RTX 4090 24GB", 24, 165.2, 1.008, ("rtx4090", "rtx_4090", "4090"))
CARDS = (A100, A100_40GB, H100, H200, L40S, RTX_4090)
SHOWN = (A100, H100, L40S)  # the table's columns


def card_of(gpu_type: str) -> Card | None:
    """The card that a site's gpu_type names, if it is one of these: `h100`, `nvidia_h100_80gb_hbm3`."""
    given = gpu_type.lower().removeprefix("nvidia_").removeprefix("geforce_")
    # Longer names first: a100_40gb is no a100.
    known = sorted(((name, card) for card in CARDS for name in card.names), key=lambda pair: -len(pair[0]))
    return next((card for name, card in known if f"{given}_".startswith(f"{name}_")), None)
