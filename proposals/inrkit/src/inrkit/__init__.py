"""The toolbox of the in-house proposals: jobs, raw video, training, layers, NNC, container.

Modules that ``encode`` needs (:mod:`job`, :mod:`model_files`, :mod:`nnc`, :mod:`bitstream`,
:mod:`scene_codec`) import no torch; :mod:`fit`, :mod:`layers`, :mod:`loss` and :mod:`coordinates`
do.

Multi-view scenes: :mod:`views` (cameras), :mod:`rays`, :mod:`scene` (train views in memory and
batches of rays), :mod:`sampling`, :mod:`compositing`, :mod:`encodings`, :mod:`grids`,
:mod:`occupancy`, :mod:`scene_fit` (stages, a model per instant), :mod:`scene_codec` (header) and
:mod:`scene_decode` (rendered views).

Nothing here is imported by the harness, which judges codecs without knowing this package.
"""
