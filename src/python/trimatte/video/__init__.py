"""Videos in and out, and live frames (the extra [video])."""

from trimatte.errors import VideoWarning
from trimatte.video.job import Shot, VideoSummary, remove_video
from trimatte.video.live import Steadier, VideoRemover

__all__ = ["Shot", "Steadier", "VideoRemover", "VideoSummary", "VideoWarning", "remove_video"]
