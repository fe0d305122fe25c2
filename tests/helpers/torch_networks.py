"""Published networks in PyTorch, with the names of their weights' files: what hemo's own are compared with.

Written anew after facebookresearch/dinov2 (Apache 2.0; `models/vision_transformer.py`, `layers`) and
mateuszbuda/brain-segmentation-pytorch (MIT; `unet.py`). Only where PyTorch is installed is this imported.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention whose queries, keys and values are of one linear layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        shares = ((q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((shares @ v).transpose(1, 2).reshape(n, tokens, width))


class Scale(nn.Module):
    """What is multiplied by a factor for each feature."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Any) -> Any:
        return x * self.gamma


class Mlp(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Any) -> Any:
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """A block of a vision transformer, normalised before its branches."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = Attention(width, heads), Mlp(width)
        self.ls1, self.ls2 = Scale(width), Scale(width)

    def forward(self, x: Any) -> Any:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class DinoV2(nn.Module):
    """DINOv2's ViT-S/14: `forward` gives `x_norm_patchtokens` as maps (n, height / 14, width / 14, 384)."""

    def __init__(self, width: int = 384, blocks: int = 12, heads: int = 6, grid: int = 37) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid**2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, 14, 14)})
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def positions(self, height: int, width: int) -> Any:
        """Return the positions of so many patches, (1, 1 + height width, k)."""
        grid = int((self.pos_embed.shape[1] - 1) ** 0.5)
        if (height, width) == (grid, grid):
            return self.pos_embed
        learned = self.pos_embed[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
        factors = (float(height + 0.1) / grid, float(width + 0.1) / grid)
        found = functional.interpolate(learned, scale_factor=factors, mode="bicubic", antialias=False)
        assert found.shape[2:] == (height, width)
        return torch.cat((self.pos_embed[:, :1], found.permute(0, 2, 3, 1).flatten(1, 2)), 1)

    def forward(self, x: Any) -> Any:
        height, width = (side // 14 for side in x.shape[2:])
        patches = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.cls_token.expand(len(x), -1, -1), patches), 1) + self.positions(
            height, width
        )
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 1:].reshape(len(x), height, width, -1)


class UNet(nn.Module):
    """The U-Net of brain MRI: `forward` gives the bottleneck's maps (n, height / 16, width / 16, 512)."""

    def __init__(self, features: int = 32) -> None:
        super().__init__()
        sides = [3, *(features * 2**k for k in range(5))]
        for number in range(1, 5):
            setattr(self, f"encoder{number}", convolutions(sides[number - 1], sides[number], f"enc{number}"))
        self.bottleneck = convolutions(sides[4], sides[5], "bottleneck")
        for number in range(4, 0, -1):
            up = nn.ConvTranspose2d(sides[number + 1], sides[number], 2, 2)
            setattr(self, f"upconv{number}", up)
            setattr(self, f"decoder{number}", convolutions(2 * sides[number], sides[number], f"dec{number}"))
        self.conv = nn.Conv2d(features, 1, 1)

    def forward(self, x: Any) -> Any:
        for number in range(1, 5):
            x = functional.max_pool2d(getattr(self, f"encoder{number}")(x), 2)
        return self.bottleneck(x).permute(0, 2, 3, 1)


def convolutions(before: int, after: int, name: str) -> nn.Sequential:
    """Return two convolutions, each normalised and rectified, under the names of the published file."""
    layers = nn.Sequential()
    for place in (1, 2):
        side = before if place == 1 else after
        layers.add_module(f"{name}conv{place}", nn.Conv2d(side, after, 3, padding=1, bias=False))
        layers.add_module(f"{name}norm{place}", nn.BatchNorm2d(after))
        layers.add_module(f"{name}relu{place}", nn.ReLU())
    return layers


def drawn(network: nn.Module, seed: int = 0) -> nn.Module:
    """Return the network with weights drawn at random: signals keep their size, and no array is the same."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith(("gamma", "running_var")) or (value.dim() == 1 and name.endswith("weight")):
            value.copy_(0.5 + noise.abs() / 2)
        elif value.dim() > 1:
            inputs = 1 if name in ("cls_token", "pos_embed") else value[0].numel()
            value.copy_(noise / inputs**0.5)
        elif value.is_floating_point():
            value.copy_(0.3 * noise)
    return network.eval()
