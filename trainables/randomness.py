"""All randomness of a trial, keyed by its seed, the epoch and the purpose of the draw.

A stream is a function of integers and a word alone, so a resumed trial draws what an undisturbed
one would have drawn, and no draw depends on who else drew before.
"""

import hashlib

import torch


def derive_seed(*key: object) -> int:
    """Return a seed in [0, 2^63) that is a function of `key` alone, on every machine."""
    digest = hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def keyed_generator(*key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator on `device`, seeded by `key` (for example seed, epoch, ``"shuffle"``)."""
    return torch.Generator(device=device).manual_seed(derive_seed(*key))


def draw_beta(
    alpha: float, *, generator: torch.Generator, shape: tuple[int, ...] = ()
) -> torch.Tensor:
    """Draw λ ~ Beta(α, α) on the generator's device, without waiting for it; α = 1 is uniform."""
    if alpha == 1:
        return torch.rand(shape, generator=generator, device=generator.device)
    # Beta(α, α) = G1 / (G1 + G2) with G1, G2 ~ Gamma(α). In float64, since for a small α the
    # gammas underflow float32 and would give 0 / 0.
    alphas = torch.full((2, *shape), alpha, dtype=torch.float64, device=generator.device)
    # Private, and there for as long as `torch.distributions.Gamma`, which is made of it and takes
    # no generator.
    first, second = torch._standard_gamma(alphas, generator=generator)
    share: torch.Tensor = first / (first + second)
    return share.float()
