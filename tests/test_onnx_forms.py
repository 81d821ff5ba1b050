"""ONNX files under ONNX Runtime as models; exporting itself is tested elsewhere."""

import pytest
import torch
from torch import nn

from graphprune import onnx_forms
from graphprune.errors import SpecError
from graphprune.onnx_forms import OnnxModel, missing_packages


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(onnx_forms, "NEEDED", ("torch", "no_such_package"))
    assert missing_packages() == ("no_such_package",)


def test_a_file_runs_like_a_model(tmp_path):
    pytest.importorskip("onnxruntime")
    torch_model = nn.Linear(3, 2)
    sessions, sizes = onnx_forms.onnx_forms(
        {"net": torch_model}, torch.zeros(2, 3), tmp_path, threads=1
    )
    batch = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(sessions["onnx_net"](batch), torch_model(batch))
    assert sizes == {"onnx_net": (tmp_path / "net.onnx").stat().st_size}


def test_without_the_runtime_the_refusal_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_forms, "find_spec", lambda _name: None)
    with pytest.raises(SpecError, match="onnxruntime is not installed: pip install"):
        OnnxModel(tmp_path / "m.onnx", threads=1)
