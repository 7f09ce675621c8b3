"""Fuzzers of what is called from Python. Each is a module to be run::

    python -m tests.fuzz.images -max_total_time=600

With atheris (``pip install atheris``) they are guided by coverage and take libFuzzer's options;
without it inputs are mutated blindly. tests/fuzz/test_fuzz.py runs some of that in every test run.
"""

from __future__ import annotations

try:
    import atheris
except ImportError:
    pass
else:  # What is to be covered has to be imported like this, before anybody else does.
    with atheris.instrument_imports(include=["PIL", "trimatte"]):
        import trimatte.io.reading
        import trimatte.pipeline.remover  # noqa: F401
