"""Methods: how a backbone is post-trained. One class of settings per trainer.

A field's default is the value that reproduces the behaviour from before the field existed; such a
value is left out of the run's identity (see identity.py), so that adding a setting changes no digest.
Fields without a default must be written in config.yaml, with the source of their value.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from othink_mr1.config.strict import BelowOne, ConfigModel, Count, Fraction, Name, NonNegative, Positive

# Keys of a method in config.yaml that are not settings: see settings.py.
BESIDE_SETTINGS = ("inherits", "by_task")

# The published protocol with its bugs, the exact one (see scoring/), or a coin flip as a control.
RewardScorer = Literal["r1v", "exact", "random"]


# Of the target KL's controller: a larger error counts as this one (Ziegler et al. 2019).
LARGEST_KL_ERROR = 0.2


class ConstantKL(ConfigModel):
    """The KL weight β of GRPO, the same at every step."""

    kind: Literal["constant"]
    weight: NonNegative = Field(description="β")


class DynamicKL(ConfigModel):
    """The KL weight β(s) of GRPO-D (eq. 3): from the middle down to minimum, then up to maximum."""

    kind: Literal["dynamic"]
    minimum: NonNegative = Field(description="β_min")
    maximum: NonNegative = Field(description="β_max")
    exploration_steps: Annotated[int, Field(ge=0)] = Field(description="w, in optimiser updates")

    @model_validator(mode="after")
    def _minimum_below_maximum(self) -> DynamicKL:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum: must be at most maximum ({self.maximum:g}), got {self.minimum:g}")
        return self


class PiecewiseKL(ConfigModel):
    """The KL weight β(s), linear between points: for other readings of eq. 3 and other schedules."""

    kind: Literal["piecewise"]
    points: list[Annotated[list[NonNegative], Field(min_length=2, max_length=2)]] = Field(
        min_length=2,
        description="[step, β] pairs, in optimiser updates: the first at step 0, the last at step `steps`",
    )

    @model_validator(mode="after")
    def _steps_rise_from_0(self) -> PiecewiseKL:
        steps = [step for step, _ in self.points]
        if any(step != int(step) for step in steps):
            raise ValueError(f"points: steps must be whole numbers, got {steps}")
        if steps[0] != 0 or sorted(set(steps)) != steps:
            raise ValueError(f"points: steps must rise from 0 and not repeat, got {steps}")
        return self


class NoKL(ConfigModel):
    """β = 0, with the KL measured. `constant` with weight 0 trains the same, but measures no KL."""

    kind: Literal["none"]


class LinearKL(ConfigModel):
    """The KL weight β(s), on a straight line from start to end."""

    kind: Literal["linear"]
    start: NonNegative = Field(description="β before the first update")
    end: NonNegative = Field(description="β of the last update")


class CosineKL(ConfigModel):
    """The KL weight β(s), on half a cosine from start to end."""

    kind: Literal["cosine"]
    start: NonNegative = Field(description="β before the first update")
    end: NonNegative = Field(description="β of the last update")


class TargetKL(ConfigModel):
    """The KL weight β that a controller changes after each update, so that the KL approaches a target."""

    kind: Literal["target"]
    initial: Positive = Field(description="β of the first update")
    target: Positive = Field(description="KL to the reference, in nats, as `kl` in metrics.csv")
    horizon: Positive = Field(
        description="optimiser updates; an update changes β by at most 0.2 / horizon of it"
    )

    @model_validator(mode="after")
    def _beta_stays_positive(self) -> TargetKL:
        if self.horizon <= LARGEST_KL_ERROR:
            raise ValueError(f"horizon: must be above {LARGEST_KL_ERROR:g}, got {self.horizon:g}")
        return self


KLSchedule = Annotated[
    ConstantKL | DynamicKL | PiecewiseKL | NoKL | LinearKL | CosineKL | TargetKL,
    Field(discriminator="kind"),
]


class NoTraining(ConfigModel):
    """Weights as they are: the study's backbone, or another's checkpoint, which is evaluated beside it."""

    beside: ClassVar = BESIDE_SETTINGS
    trainer: Literal["none"]
    backbone: Name | None = Field(None, description="whose weights; none: the study's backbone")
    trained_on: Name | None = Field(
        None, description="the task that others trained these weights on; it is shown, and has no effect"
    )

    @model_validator(mode="after")
    def _only_others_are_trained(self) -> NoTraining:
        if self.trained_on is not None and self.backbone is None:
            raise ValueError("trained_on: needs `backbone`; the study's own was trained on no task")
        return self


class _GradientTraining(ConfigModel):
    """Settings common to SFT and GRPO."""

    beside: ClassVar = BESIDE_SETTINGS

    learning_rate: Positive
    learning_rate_schedule: Literal["constant", "linear", "cosine"]
    warmup_fraction: Fraction = Field(description="share of the steps with a linearly rising learning rate")
    weight_decay: NonNegative
    adam_beta1: BelowOne
    adam_beta2: BelowOne
    max_gradient_norm: Positive
    steps: Count = Field(description="optimiser updates in all")
    checkpoint_steps: list[Count] = Field(
        description="steps whose weights are kept for the learning curves; the last step always is"
    )
    precision: Literal["fp32", "bf16"] = Field(description="of the arithmetic; weights are kept in fp32")
    train_vision_tower: bool = Field(description="false freezes the vision encoder")
    checkpoint_precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="of the weights in checkpoints; those in training stay fp32. bf16 halves the files: for "
        "Qwen2-VL-2B 4.42 GB instead of 8.84 GB each, for 15 runs of 5 checkpoints 331 GB instead of 663 GB. "
        "The cost: evaluation sees weights rounded to 8 significant bits (as its products round them, if "
        "evaluation.precision is bf16)",
    )

    @model_validator(mode="after")
    def _checkpoints_within_steps(self) -> _GradientTraining:
        if sorted(set(self.checkpoint_steps)) != self.checkpoint_steps:
            raise ValueError(f"checkpoint_steps: must rise and not repeat, got {self.checkpoint_steps}")
        if self.checkpoint_steps and self.checkpoint_steps[-1] > self.steps:
            raise ValueError(
                f"checkpoint_steps: must be at most steps ({self.steps}), got {self.checkpoint_steps[-1]}"
            )
        return self


class SFT(_GradientTraining):
    """Supervised fine-tuning on a target text."""

    trainer: Literal["sft"]
    target: Literal["answer", "reasoning", "r1v"] = Field(
        description="what is learned: only the answer; the set's reasoning and the answer; or exactly R1-V's "
        "sft.py (training/r1v_sft.py)"
    )
    batch_size: Count = Field(description="examples per optimiser update")


class GRPO(_GradientTraining):
    """Group Relative Policy Optimization (eqs. 1-5)."""

    trainer: Literal["grpo"]
    group_size: Annotated[int, Field(ge=2)] = Field(description="G, completions per prompt")
    prompts_per_step: Count = Field(description="prompts per rollout")
    updates_per_rollout: Count = Field(description="optimiser updates on one rollout; above 1 clipping acts")
    clip_range: Positive = Field(description="ε of eq. 4")
    advantage_epsilon: NonNegative = Field(description="added to the group's std in eq. 2")
    format_weight: NonNegative = Field(description="α of eq. 1")
    temperature: Annotated[Positive, Field(ge=1e-6)]
    top_k: Annotated[int, Field(ge=0)] = Field(description="sample among the k most likely tokens; 0: all")
    max_completion_tokens: Count
    kl_schedule: KLSchedule
    reward_scorer: RewardScorer = Field(
        "r1v",
        description="the accuracy reward: by the published protocol, by the exact one, or by a "
        "coin flip, independent of the answer",
    )
    accuracy_weight: NonNegative = Field(
        1.0, description="weight of the accuracy reward; 1 in eq. 1; 0: only the format reward"
    )

    @property
    def has_reference(self) -> bool:
        """Whether a reference is kept and computed: not for a constant KL weight of 0."""
        return not (isinstance(self.kl_schedule, ConstantKL) and self.kl_schedule.weight == 0)

    @model_validator(mode="after")
    def _schedule_fits_steps(self) -> GRPO:
        if isinstance(self.kl_schedule, DynamicKL) and self.kl_schedule.exploration_steps > self.steps:
            raise ValueError(
                f"kl_schedule.exploration_steps: must be at most steps ({self.steps}), "
                f"got {self.kl_schedule.exploration_steps}"
            )
        if isinstance(self.kl_schedule, PiecewiseKL) and self.kl_schedule.points[-1][0] != self.steps:
            raise ValueError(
                f"kl_schedule.points: the last must be of step {self.steps}, as `steps`, got "
                f"{self.kl_schedule.points[-1][0]:g}"
            )
        return self

    @model_validator(mode="after")
    def _rollouts_fill_steps(self) -> GRPO:
        if self.steps % self.updates_per_rollout:
            raise ValueError(
                f"updates_per_rollout: must divide steps ({self.steps}), got {self.updates_per_rollout}"
            )
        return self


TrainingSettings = SFT | GRPO
MethodSettings = Annotated[NoTraining | SFT | GRPO, Field(discriminator="trainer")]
