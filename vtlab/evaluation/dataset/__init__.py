"""Data sets: read them, make them from videos with subtitles, check them.

``manifest`` holds what a data set is and reads it.
"""

from vtlab.evaluation.dataset.manifest import DATASETS, MANIFEST, Clip, Dataset, clip_digest, load_dataset

__all__ = ["DATASETS", "MANIFEST", "Clip", "Dataset", "clip_digest", "load_dataset"]
