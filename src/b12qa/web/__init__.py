"""The chat page, and what programs get beside it."""

from __future__ import annotations

import os

# Gradio reads these when it is imported. It calls home only while the first one is "True"; the other
# two keep it from summing up all earlier events again at each question.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
