from __future__ import annotations

from fleetops_collectors.expected_rates import Link, expected_rates


def links(*rates: float | None, board: str = "b") -> list[Link]:
    return [Link(f"n/mlx5_{at}", f"mlx5_{at}", board, rate) for at, rate in enumerate(rates)]


def test_most_of_its_like_tell_what_is_expected() -> None:
    assert set(expected_rates(links(400, 400, 200, None), {}).values()) == {400}
    assert len(expected_rates(links(400, 400, 200, None), {})) == 4


def test_without_a_majority_nothing_is_expected() -> None:
    assert expected_rates(links(400), {}) == {}
    assert expected_rates(links(400, 200), {}) == {}
    assert expected_rates(links(None, None), {}) == {}


def test_other_boards_do_not_count() -> None:
    other = [Link(f"n/x{at}", f"x{at}", "other", 100) for at in range(3)]
    found = expected_rates([*links(400, 400, 400), *other], {})
    assert found["n/mlx5_0"] == 400
    assert found["n/x0"] == 100


def test_what_is_configured_comes_first() -> None:
    both = links(200, 200, None)
    assert expected_rates(both, {"mlx5_[01]": 400, "mlx5_0": 1})["n/mlx5_0"] == 400
    assert expected_rates(both, {"mlx5_0": 400})["n/mlx5_1"] == 200
    assert set(expected_rates(links(None), {"b": 800}).values()) == {800}
