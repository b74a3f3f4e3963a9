"""ONNX models on this machine's processor; the one place that opens them."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_model(model: Path, threads: int) -> "InferenceSession":
    """Open a model file for runs of `threads` threads, one run at a time.

    Raises:
        Exception: onnxruntime's own, of many kinds: the file is no model it can run.
    """
    # Imported here: 0.3 s and 20 MB that a process without a local model never spends.
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Else its threads go round in circles for a while after each run: 40 CPU-ms a question
    # in place of 7, taken from the stores on the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without the arena each run maps its memory anew: 60 times the page faults, and four
    # fifths of the time spent in the kernel. Small batches keep what it holds small.
    options.enable_cpu_mem_arena = True
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
