"""PuzzleMix's transport: who comes where."""

import pytest
import torch

from trainables.mixing import transport
from trainables.mixing.transport import move_blocks, transport_plan


def dense_plan(saliency_NRC: torch.Tensor, wanted_NRC: torch.Tensor, *, cost: float):
    """The same rounds over the whole T·T array of costs; a refusal costs 1."""
    batch, rows, columns = saliency_NRC.shape
    places = rows * columns
    yx = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    squared = (yx.unsqueeze(1) - yx.unsqueeze(0)).square().sum(dim=2)
    prices = cost * squared / (max(rows, columns) - 1) ** 2
    prices = prices - saliency_NRC.reshape(batch, -1, 1) * wanted_NRC.reshape(batch, 1, -1)
    for _ in range(max(rows, columns)):
        proposed = torch.zeros_like(prices, dtype=torch.bool)
        proposed.scatter_(2, prices.argmin(dim=2, keepdim=True), True)
        winner = torch.where(proposed, prices, torch.inf).argmin(dim=1, keepdim=True)
        won = torch.zeros_like(proposed).scatter_(1, winner, True) & proposed
        prices = prices + (proposed & ~won)
    return torch.where(won.any(dim=1), won.float().argmax(dim=1), torch.arange(places))


def random_problem(grids: int, rows: int, columns: int, *, seed: int, sharpness: int = 3):
    generator = torch.Generator().manual_seed(seed)
    saliency = torch.rand(grids, rows, columns, generator=generator) ** sharpness
    wanted = torch.rand(grids, rows, columns, generator=generator) < 0.4
    return saliency / saliency.sum(dim=(1, 2), keepdim=True), wanted


def test_a_salient_block_moves_to_the_wanted_place_only_if_it_pays() -> None:
    saliency = torch.tensor([[[0.1, 0.2], [0.6, 0.1]]])
    wanted = torch.tensor([[[True, False], [False, False]]])
    assert transport_plan(saliency, wanted, cost=0.5)[0, 0] == 2  # 0.5 · 1 < 0.6 − 0.1
    assert transport_plan(saliency, wanted, cost=0.7)[0, 0] == 0


def test_the_more_salient_of_two_suitors_wins() -> None:
    saliency = torch.tensor([[[0.4, 0.0, 0.6]]])
    wanted = torch.tensor([[[False, True, False]]])
    assert transport_plan(saliency, wanted, cost=0.8).tolist() == [[0, 2, 1]]


@pytest.mark.parametrize("grid", [(2, 2), (4, 4), (8, 8), (4, 8), (16, 16)])
def test_wanted_places_get_what_the_dense_rounds_give_them(grid: tuple[int, int]) -> None:
    saliency, wanted = random_problem(8, *grid, seed=0)
    plan, dense = (solve(saliency, wanted, cost=0.8) for solve in (transport_plan, dense_plan))
    assert torch.equal(plan[wanted.flatten(1)], dense[wanted.flatten(1)])


def test_no_block_comes_to_two_wanted_places() -> None:
    saliency, wanted = random_problem(32, 8, 8, seed=1, sharpness=9)
    for plan_T, wanted_T in zip(
        transport_plan(saliency, wanted, cost=0.3), wanted.flatten(1), strict=True
    ):
        sources = plan_T[wanted_T].tolist()
        assert len(set(sources)) == len(sources)


def test_asking_all_blocks_again_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An accelerator asks all, the CPU only the refused."""
    saliency, wanted = random_problem(16, 8, 8, seed=2)
    refused_only = transport_plan(saliency, wanted, cost=0.4)
    monkeypatch.setattr(transport, "_who_asks_again", lambda refused_S: slice(None))
    assert torch.equal(transport_plan(saliency, wanted, cost=0.4), refused_only)


def test_blocks_without_saliency_stay() -> None:
    wanted = torch.ones(1, 4, 4, dtype=torch.bool)
    plan = transport_plan(torch.zeros(1, 4, 4), wanted, cost=0.8)
    assert plan.tolist() == [list(range(16))]


def test_move_blocks_puts_each_block_where_it_is_told() -> None:
    images = torch.arange(16.0).reshape(1, 1, 2, 8)
    moved = move_blocks(images, torch.tensor([[3, 0, 1, 2]]), rows=1, columns=4)
    assert moved[0, 0, 0].tolist() == [6, 7, 0, 1, 2, 3, 4, 5]
    assert moved[0, 0, 1].tolist() == [14, 15, 8, 9, 10, 11, 12, 13]
