"""One training in two processes: equal weights in both, as in one process where that can be."""

import json

import pytest
from launching import TESTS, finished, launched
from shared_training import uneven

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each of two processes wrote, and the folder where it wrote."""
    folder = tmp_path_factory.mktemp("told")
    program = TESTS / "shared_training.py"
    status, _, errors = finished(launched([program, folder], folder))
    assert status == 0, errors
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in "01"], folder


def test_parts_of_unequal_size_count_as_one_batch(told):
    alone = uneven()
    for found in told[0]:
        assert found["uneven"]["weights"] == pytest.approx(alone["weights"], abs=1e-6)
        for row, expected in zip(found["uneven"]["rows"], alone["rows"], strict=True):
            assert row == pytest.approx(expected, abs=1e-6)


def test_both_end_with_equal_weights_masks_and_statistics(told):
    first, second = (found["masked"] for found in told[0])
    assert first == second  # to the bit, with held-out figures
    assert first["intact"]


def test_compact_layers_train_on_their_kernels(told):
    first, second = (found["compact"] for found in told[0])
    assert first == second
    assert first["moved"]


def test_running_statistics_are_those_of_all_parts(told):
    mean = (0 + 51 + 102 + 255) / 4 / 255
    assert [found["statistics"] for found in told[0]] == pytest.approx([0.1 * mean] * 2)


def test_noise_and_dropout_are_drawn_for_each_process(told):
    ((noise, number),), ((other_noise, other_number),) = (found["chance"] for found in told[0])
    assert len(noise) == len(other_noise) == 2
    assert not set(noise) & set(other_noise)
    assert number != other_number


def test_a_batch_with_one_example_for_a_process_is_refused(told):
    message = "a batch of 3 is too small for 2 processes: each needs 2"
    assert [found["too small"] for found in told[0]] == [message] * 2


def test_processes_with_different_networks_are_refused(told):
    assert "another network, data, recipe or checkpoint" in (told[1] / "1.txt").read_text()
    assert (told[1] / "0.txt").read_text() == "alone"
