"""Results kept under a hash of everything they depend on."""
