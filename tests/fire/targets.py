"""The classes of hostile input, how many of each the long form tries, and its words for them."""

from typing import Final

from tests.fire import scans, words
from tests.fire.hunt import Target

TARGETS: Final = {
    Target("DICOM: bytes, elements, functional groups, codestreams", scans.dicom, scans.read): 20_000,
    Target("NIfTI: headers and bytes, plain and packed", scans.nifti, scans.read): 60_000,
    Target("PNG, JPEG and TIFF: bytes", scans.picture, scans.read): 40_000,
    Target("other files: starts of formats with anything behind", scans.other, scans.read): 40_000,
    Target("label tables of all forms", words.table, words.read_table): 20_000,
    Target("experiment files", words.experiment_file, words.read_experiment): 1_000,
    Target("facts of a store", words.store_facts, words.read_store): 10_000,
    Target("weights of PyTorch's older form", words.weights, words.read_weights): 10_000,
    Target("prediction tables", words.prediction_table, words.read_predictions): 4_000,
    Target("requests to the server", words.request, words.ask): 2_000,
}
"""Slow ones are fewer: an experiment file takes a tenth of a second to refuse, a request a fiftieth."""
