"""Fuzzers of what is called from Python. Each has its own page of options::

    cd tests && python -m fuzz.images -max_total_time=600

With atheris (``pip install atheris``) they are guided by coverage and take libFuzzer's options;
without it inputs are mutated blindly. tests/test_fuzz.py runs some of that in every test run.
"""
