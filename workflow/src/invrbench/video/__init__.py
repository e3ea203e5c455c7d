"""Raw video: formats, readers, sources and the ffmpeg that serves them."""
