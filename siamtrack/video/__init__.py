"""The video loop: sources of frames, sinks, overlays and result files."""

import os

# Read by OpenCV when it first opens a video: FFmpeg's chatter would bury the one line that an error of ours is.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
