"""Show operators and users what the server does: log, metrics, traces, insights, hardware."""
