"""What clients speak to: the contract (`translation.proto`), its generated stubs, and the service behind it."""
