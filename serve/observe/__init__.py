"""What operators and users see of the server: log, metrics, traces, insights, hardware."""
