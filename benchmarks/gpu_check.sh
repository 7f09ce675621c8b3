#!/usr/bin/env bash
# Everything that only a GPU can tell, in one command, in under 9 minutes and without a network:
#
#   benchmarks/gpu_check.sh [FOLDER]
#
# builds trimatte for this GPU, runs the tests marked gpu, the C++ tests under each tool of
# compute-sanitizer, and gpu_bench.py; writes FOLDER/<gpu>-<date>.json and .md (benchmarks/results).
# A step that fails is recorded, the later ones still run, and the exit status is 1.
# PYTHON names the interpreter; it needs pybind11, scikit-build-core, NumPy, Pillow and pytest.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

python=${PYTHON:-python3}
results=${1:-benchmarks/results}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONPATH="$work/site" PYTHONDONTWRITEBYTECODE=1
export TRIMATTE_CUDA="${TRIMATTE_CUDA:-ON}" CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"

# step NAME SECONDS COMMAND...: runs it, keeps its output, its status and its time.
step() {
  local name=$1 limit=$2 started=$SECONDS status
  shift 2
  printf '== %s\n' "$name"
  timeout --kill-after=10 "$limit" "$@" >"$work/$name.log" 2>&1
  status=$?
  tail -n 30 "$work/$name.log"
  printf '%s\t%d\t%d\n' "$name" "$status" "$((SECONDS - started))" >>"$work/steps.tsv"
  return "$status"
}

build() {
  local capability
  local options=(-C cmake.define.TRIMATTE_TESTS=ON -C cmake.define.TRIMATTE_ALL_TARGETS=OFF)
  if [ "$TRIMATTE_CUDA" != SHIM ]; then
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
    options=(-C cmake.define.TRIMATTE_TESTS=ON
      -C "cmake.define.TRIMATTE_CUDA_ARCHITECTURES=${capability:-native}-real")
  fi
  timeout --kill-after=10 200 "$python" -m pip install --quiet --no-build-isolation --no-deps --no-index \
    --target "$work/site" -C build-dir="$work/build" "${options[@]}" .
}
export -f build
export python work

# The four tools side by side: each slows the tests down by far more than they disturb each other.
sanitizers() {
  local tool
  if ! command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
      printf '%s\t%s\t0\n' "$tool" "compute-sanitizer is not installed" >>"$work/steps.tsv"
    done
    return
  fi
  for tool in memcheck racecheck initcheck synccheck; do
    step "$tool" 110 compute-sanitizer --tool "$tool" --error-exitcode 9 \
      "$work/build/tests/cpp/trimatte_tests" cuda &
  done
  wait
}

step build 210 bash -c build
mapfile -t gpu_tests < <(grep -l 'mark\.gpu' tests/*/test_*.py)
# Only pytest itself is asked for: the project's own options need plugins.
step pytest 120 "$python" -m pytest -m gpu -q -o addopts= -p no:cacheprovider "${gpu_tests[@]}"
sanitizers
quick=()
[ "$TRIMATTE_CUDA" != SHIM ] || quick=(--quick)
step bench 100 "$python" -m benchmarks.gpu_bench "${quick[@]}" \
  --json "$work/bench.json" --markdown "$work/bench.md"
"$python" -m benchmarks.gpu_record "$work" "$results"
