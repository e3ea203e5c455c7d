"""Curves and tables side by side: Bjøntegaard deltas with reasons, and their averages.

``bd`` compares two rate-distortion curves and knows nothing of records; what joins trees of points
builds on it.
"""
