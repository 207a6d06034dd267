"""One training run: its network, optimiser, running average, log and checkpoints."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immunescape.errors import ModelError
from immunescape.segment._triton import hide_triton
from immunescape.segment.precision import chosen_precision

if TYPE_CHECKING:
    from immunescape.segment.learning.train import TrainParams

__all__ = ["TrainingRun", "fixed_batches"]


class TrainingRun:
    """Network, optimiser, running average and log of one training run."""

    def __init__(self, net: Any, params: "TrainParams", out: Path) -> None:
        import copy

        import torch

        hide_triton()  # making an optimiser asks for it
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.half = chosen_precision(params.precision, self.device) == "bfloat16"
        self.net, self.params, self.out = net.to(self.device), params, out
        self.average = copy.deepcopy(net).eval()
        for weight in self.average.parameters():
            weight.requires_grad_(False)
        trained = [w for w in net.parameters() if w.requires_grad]
        self.optimiser = torch.optim.AdamW(
            trained, lr=params.learning_rate, weight_decay=params.weight_decay
        )
        self.step = 0
        self.seconds = 0.0
        self.started = time.monotonic()
        self.history: list[tuple[float, ...]] = []

    @property
    def _state_file(self) -> Path:
        return self.out.with_suffix(".state.pt")

    def fraction(self) -> float:
        """How much of the run is over, by steps or by time."""
        done = self.step / self.params.steps
        if self.params.minutes:
            done = max(done, self.seconds / (60 * self.params.minutes))
        return done

    def update(self, images: Any, targets: Any) -> float:
        """Change the weights once; return the loss before the change."""
        import torch

        warm = min(1.0, (self.step + 1) / 100)
        anneal = 0.5 * (1 + np.cos(np.pi * min(self.fraction(), 1.0)))
        for group in self.optimiser.param_groups:
            group["lr"] = float(self.params.learning_rate * warm * (0.002 + 0.998 * anneal))
        self.net.train()
        if self.params.frozen_norm:
            _freeze_norms(self.net)
        loss = self._loss_of(self.net, images, targets)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        self.seconds = time.monotonic() - self.started
        keep = min(0.998, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            own = self.net.state_dict()
            for name, value in self.average.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(own[name], 1 - keep)
                else:
                    value.copy_(own[name])
        return float(loss.detach())

    def _loss_of(self, net: Any, images: Any, targets: Any) -> Any:
        import torch

        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            predicted, _ = net(images)
        return _loss(predicted.float(), targets.to(self.device))

    def check(self, train_loss: float, checks: list[list[Any]]) -> None:
        """Append losses of the averaged weights on the held-out patches to the log."""
        import torch

        row = [float(self.step), self.seconds, train_loss]
        for batches in checks:
            losses = []
            with torch.no_grad():
                for images, targets in batches:
                    losses.append(float(self._loss_of(self.average, images, targets)))
            row.append(float(np.mean(losses)) if losses else float("nan"))
        self.history.append(tuple(row))

    def save(self) -> None:
        """Write weights, state and log; each file is replaced whole."""
        import dataclasses

        import torch

        from immunescape.segment.network import save_weights

        self.out.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.out.with_suffix(".new")
        save_weights(self.average, fresh)
        fresh.replace(self.out)
        state = {
            "params": dataclasses.asdict(self.params),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
        }
        torch.save(state, fresh)
        fresh.replace(self._state_file)
        lines = ["step,seconds,train_loss,validation_loss,validation_loss_rendered"]
        lines += [f"{r[0]:.0f},{r[1]:.0f},{r[2]:.4f},{r[3]:.4f},{r[4]:.4f}" for r in self.history]
        self.out.with_suffix(".csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def restore(self) -> None:
        """Take up an earlier run with the same params, if there is one."""
        import dataclasses

        import torch

        if not self._state_file.exists():
            return
        try:
            state = torch.load(self._state_file, map_location=self.device, weights_only=True)
            if state["params"] != dataclasses.asdict(self.params):
                return
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.seconds = state["step"], state["seconds"]
            self.history = [tuple(row) for row in state["history"]]
        except Exception as error:
            raise ModelError(
                f"{self._state_file.name} is damaged or of another version; remove it, or pass "
                "--overwrite to start anew"
            ) from error


def fixed_batches(patches: Any, count: int = 6, batch: int = 8) -> list[Any]:
    """Draw the batches on which every check of a run is made; none without fields."""
    import torch

    if not patches:
        return []
    rows = [[patches.patch((7, b, k)) for k in range(batch)] for b in range(count)]
    return [
        tuple(torch.from_numpy(np.stack([p[part] for p in row])) for part in (0, 1)) for row in rows
    ]


def _freeze_norms(net: Any) -> None:
    from torch import nn

    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()


def _loss(predicted: Any, targets: Any) -> Any:
    """Squared error of the flows, five times enlarged, and cross-entropy of the inside.

    Each pixel counts by its weight; pixels that were not annotated do not.
    """
    from torch.nn import functional

    weight = targets[:, 3]
    pixels = weight.sum().clamp(min=1.0)
    flows = (((predicted[:, :2] - 5.0 * targets[:, :2]) ** 2).mean(dim=1) * weight).sum() / pixels
    inside = functional.binary_cross_entropy_with_logits(
        predicted[:, 2], targets[:, 2], weight=weight, reduction="sum"
    )
    return flows / 2.0 + inside / pixels
