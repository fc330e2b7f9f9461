"""Data sets: read them, make them from videos with subtitles, check them.

``manifest`` holds what a data set is and reads it, ``transcripts`` joins the cues of two languages, ``creation`` makes
data sets, ``faults`` checks them.
"""

from vtlab.evaluation.dataset.creation import AddedClip, NewClip, new
from vtlab.evaluation.dataset.faults import Fault, LostMetrics, Report, check
from vtlab.evaluation.dataset.manifest import (
    DATASETS,
    MANIFEST,
    Clip,
    Dataset,
    clip_digest,
    find_datasets,
    list_datasets,
    load_dataset,
)

__all__ = [
    "DATASETS", "MANIFEST", "AddedClip", "Clip", "Dataset", "Fault", "LostMetrics", "NewClip", "Report", "check",
    "clip_digest", "find_datasets", "list_datasets", "load_dataset", "new",
]  # fmt: skip
