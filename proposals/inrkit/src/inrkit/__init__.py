"""The toolbox of the in-house proposals: jobs, raw video, training, layers, NNC, container.

Modules that ``encode`` needs (:mod:`job`, :mod:`model_files`, :mod:`nnc`, :mod:`bitstream`) import
no torch; :mod:`fit`, :mod:`layers`, :mod:`loss` and :mod:`coordinates` do.

Nothing here is imported by the harness, which judges codecs without knowing this package.
"""
