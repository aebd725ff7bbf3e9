"""The connections to the API: sending, retries, limits, and the log of requests."""
