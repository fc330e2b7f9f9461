"""The gRPC face: the contract (`translation.proto`), its generated stubs, and the service behind it."""
