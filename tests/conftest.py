"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real photographs and composites with known answers, beside the repository.

    TRIMATTE_SHARED names another place; without the folder the test is skipped.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRIMATTE_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"shared_data: there is no {folder}; TRIMATTE_SHARED can name it")
    return folder
