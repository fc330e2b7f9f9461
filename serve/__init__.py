"""The gRPC server, which dubs with the release in force."""
