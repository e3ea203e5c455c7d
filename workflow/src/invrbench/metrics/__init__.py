"""The harness's own ruler: distortion of a decoded file against its source, family by family.

``families`` is the door for the workflow, ``handheld`` the one for a person with two files.
"""
