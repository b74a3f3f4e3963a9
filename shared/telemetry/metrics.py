"""The metrics every process with a door has; a room's own metrics are declared in that room.

Names read `citewell_<noun>_<unit>`; labels never hold ids, names or anything a sender chooses.
"""

from prometheus_client import Gauge, Histogram

HTTP_REQUEST_SECONDS = Histogram(
    "citewell_http_request_seconds",
    "Time from a request's first byte to its answer's last.",
    ("service", "method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
HTTP_REQUESTS_UNDER_WAY = Gauge(
    "citewell_http_under_way_requests", "Requests being answered now.", ("service",)
)
