"""index.html: one self-contained page to look at curves, pictures and what is behind a number."""
