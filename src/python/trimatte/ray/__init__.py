"""Where one machine is too small: whole data sets, and a service, on a Ray cluster
(the extra [ray]).

`remove_dataset` cuts out a folder or a bucket of images by Ray Data; `service` is an application
for Ray Serve, which ``trimatte serve`` starts. Ray is loaded when one of them is called.
"""

from trimatte.ray.dataset import DatasetSummary, Failure, remove_dataset
from trimatte.ray.limits import Limits
from trimatte.ray.service import service

__all__ = ["DatasetSummary", "Failure", "Limits", "remove_dataset", "service"]
