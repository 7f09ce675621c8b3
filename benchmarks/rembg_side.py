"""rembg's side of throughput.py, in a process of its own: rembg may live in another environment.

    python benchmarks/rembg_side.py MODEL.onnx

Reads a line of JSON for each call from stdin: {"source": image, "target": PNG, and options of
rembg.remove}; answers with one: {"seconds": ..} of the call from bytes to bytes. The first answer,
before any call, is {"version": ..}.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import sys
import time
from pathlib import Path


def main() -> None:
    rembg = importlib.import_module("rembg")
    session = rembg.new_session("u2net_custom", model_path=str(Path(sys.argv[1]).resolve()))
    print(json.dumps({"version": importlib.metadata.version("rembg")}), flush=True)
    for line in sys.stdin:
        options = json.loads(line)
        source, target = Path(options.pop("source")), Path(options.pop("target"))
        data = source.read_bytes()
        with contextlib.redirect_stdout(sys.stderr):  # PyMatting says there how it gets on
            start = time.perf_counter()
            png = rembg.remove(data, session=session, **options)
            seconds = time.perf_counter() - start
        target.write_bytes(png)
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
