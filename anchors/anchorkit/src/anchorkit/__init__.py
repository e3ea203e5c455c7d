"""What the four anchors share: the job file, driving ffmpeg, and tidy elementary streams."""
