"""The query service imports no ingestion library, and starts small and fast."""

import json
import subprocess
import sys

HEAVY = ("celery", "kombu", "unstructured", "obstore")
# Imported when first used, by a process that has a provider or a local space.
LATER = ("openai", "onnxruntime", "qdrant_client")
MEASURE = """
import json, resource, sys, time
import services.query_api.app
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "cpu_s": time.process_time(),
    "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def test_importing_the_app_is_light_and_reads_no_environment() -> None:
    # An empty environment: nothing is configured, and the import must not mind.
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, env={}, check=True
    )
    found = json.loads(done.stdout)
    assert not set(HEAVY) & set(found["modules"])
    assert not set(LATER) & set(found["modules"])
    assert found["rss_mb"] < 200
    # Processor time: a wall clock would measure the machine's other work.
    assert found["cpu_s"] < 2.5
