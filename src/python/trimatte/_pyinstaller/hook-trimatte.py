"""Modules that trimatte imports by name, and the files beside its code."""

from PyInstaller.utils.hooks import (
    can_import_module,
    collect_data_files,
    collect_submodules,
    copy_metadata,
)

_OPTIONAL = ("onnxruntime", "openvino", "isal.isal_zlib", "simplejpeg", "pooch", "filelock", "tqdm")

hiddenimports = [
    *collect_submodules("trimatte.engines", lambda name: ".train" not in name),
    *filter(can_import_module, _OPTIONAL),
]
datas = collect_data_files("trimatte") + copy_metadata("trimatte")
